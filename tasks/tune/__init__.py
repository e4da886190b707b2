"""Hyper-parameter search for one recipe, on the fit days and the validation day alone."""
