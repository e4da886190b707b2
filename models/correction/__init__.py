"""Corrections: from a frozen model's seconds to better ones, between the fit and the calibrators."""
