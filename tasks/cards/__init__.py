"""Cards: what a person elsewhere has to know of a model or of the rows behind it, in Markdown, made from what nights wrote."""

from tasks.cards.data import data_card
from tasks.cards.model import model_card

__all__ = ["data_card", "model_card"]
