"""What a user would pick instead of a neural recipe: trivial predictors and a LightGBM on the same features."""
