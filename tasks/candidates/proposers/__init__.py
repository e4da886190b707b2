"""Proposers of videos, one file each; `tasks.candidates.registry` has their names."""
