"""What is looked into once a week: each review ends in a proposal to change params.yaml, which a person merges, or in none."""
