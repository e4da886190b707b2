"""Semantic IDs: codes that a tokenizer learns from the content of videos, so that a new upload shares rows with its likes."""
