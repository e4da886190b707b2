"""Selected rows of the fit days: which of them the steps of a fit read, with what probability (docs/methods/selection.md)."""
