"""Recipes of gradient-boosted trees: fitted on the rows and columns of the networks' table, served like a network."""
