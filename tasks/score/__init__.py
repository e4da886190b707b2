"""Batch scores and top-k lists of the next day, by the model that won the night."""
