"""Metrics of the judge day with their uncertainty, by segment, and paired comparisons of two models."""
