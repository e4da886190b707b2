"""A night as a whole: its key before the stages, its publication after them, and the lock that it holds meanwhile."""
