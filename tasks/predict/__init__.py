"""Predictions of fitted models on any feature rows: the judge day, tomorrow's candidates, an old champion on a new day.

A model encodes rows with its own preprocessors, so it needs nothing of the night that scores it but feature columns.
"""

from tasks.predict.bundle import Bundle, load_bundle
from tasks.predict.days import lacking, predict_days, predicted_rows
from tasks.predict.ensemble import Ensemble, load_ensemble
from tasks.predict.export import example_rows, export_model
from tasks.predict.load import load_model
from tasks.predict.load_fitted import load_fitted
from tasks.predict.model import Model, Predictions

__all__ = [
    "Bundle",
    "Ensemble",
    "Model",
    "Predictions",
    "example_rows",
    "export_model",
    "lacking",
    "load_bundle",
    "load_ensemble",
    "load_fitted",
    "load_model",
    "predict_days",
    "predicted_rows",
]
