"""Fixed comparisons outside the nightly cycle: stated days, recipes and seeds, recorded with where they were run."""
