"""History encoders by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.encoders.history.attention import AttentionHistory
from models.encoders.history.base import HistoryEncoder
from models.encoders.history.bst import BstHistory
from models.encoders.history.din import DinHistory
from models.encoders.history.feedback_aware import FeedbackAwareHistory
from models.encoders.history.gru4rec import Gru4RecHistory
from models.encoders.history.hstu import HstuHistory
from models.encoders.history.none import NoHistory
from models.encoders.history.pooled import PooledHistory
from models.encoders.history.sasrec import SasRecHistory
from models.encoders.history.sine import SineHistory

HISTORIES: dict[str, type[HistoryEncoder]] = {
    "none": NoHistory,
    "pooled": PooledHistory,
    "attention": AttentionHistory,
    "feedback_aware": FeedbackAwareHistory,
    "din": DinHistory,
    "gru4rec": Gru4RecHistory,
    "sasrec": SasRecHistory,
    "sine": SineHistory,
    "bst": BstHistory,
    "hstu": HstuHistory,
}

if TYPE_CHECKING:
    HistoryConfig = ComponentConfig
else:
    HistoryConfig = one_of(HISTORIES)
