"""How values of a file are read: one module per kind of value, for a file column of any type."""
