"""From several scores to one."""
