"""What nights have fitted, asked from Python: predictions and embeddings of any rows, scores of any served day."""

from tasks.inference.loaded import LoadedModel, load
from tasks.inference.score_day import score_day

__all__ = ["LoadedModel", "load", "score_day"]
