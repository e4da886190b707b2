"""What a fitted ranker reads: how much each field moves its losses, and its seconds row by row."""
