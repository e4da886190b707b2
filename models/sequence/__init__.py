"""Models of a user's sequence of positives by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.sequence.base import SequenceModel
from models.sequence.din import Din
from models.sequence.gru4rec import Gru4Rec
from models.sequence.sasrec import SasRec
from models.sequence.sine import Sine

SEQUENCE_MODELS: dict[str, type[SequenceModel]] = {
    "sasrec": SasRec,
    "gru4rec": Gru4Rec,
    "din": Din,
    "sine": Sine,
}

if TYPE_CHECKING:
    SequenceConfig = ComponentConfig
else:
    SequenceConfig = one_of(SEQUENCE_MODELS)
