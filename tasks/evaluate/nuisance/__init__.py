"""Debiased means without logged probabilities, by every pair of learners (docs/methods/debias.md#every-pair-of-learners)."""
