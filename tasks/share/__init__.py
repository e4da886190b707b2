"""What nights leave beside DVC's outputs, in its remote: the registry, which outlives every night, and the archives."""

from tasks.share.exchange import Exchange
from tasks.share.remote import Shelf, shelf

__all__ = ["Exchange", "Shelf", "shelf"]
