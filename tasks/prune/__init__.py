"""Fields that a recipe can do without: searched on the fit days and the validation day alone."""
