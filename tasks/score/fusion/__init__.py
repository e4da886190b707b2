"""Fusion of objectives: from a model's watch time and probabilities to the one score that orders tomorrow's lists."""
