"""Shared ground of all stages: the contract, days, errors, files, paths, hashes and the base of every configuration block."""
