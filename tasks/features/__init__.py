"""Point-in-time features: what was known about users, videos and their context before each day began."""
