"""The promotion gate: champion against challengers on identical judge rows -> a decision that carries its reason."""
