"""The parts of the page: each module turns one kind of artifact into plain view values, without touching a file."""
