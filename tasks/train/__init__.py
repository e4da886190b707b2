"""The training engine: fits every seed of one recipe on the table and leaves a bundle that predicts by itself."""
