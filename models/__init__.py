"""Torch modules of dwell: encoders, trunks, heads, objectives, balance rules, calibrators. No files, no Prefect, no DVC."""
