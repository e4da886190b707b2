"""A log that dwell has not seen before: what it holds, how it would be mapped, and whether a night could read it."""
