"""The memory-mapped training table, and what was fitted on fit days to encode rows: vocabularies, normalisation, buckets."""
