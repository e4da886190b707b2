"""Ensembles: several fitted recipes of a night that are judged, promoted and served as one model."""
