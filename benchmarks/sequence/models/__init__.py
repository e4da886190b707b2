"""Models of a user's sequence of positives by `kind`."""

from typing import TYPE_CHECKING

from benchmarks.sequence.models.base import SequenceModel
from benchmarks.sequence.models.din import Din
from benchmarks.sequence.models.gru4rec import Gru4Rec
from benchmarks.sequence.models.sasrec import SasRec
from benchmarks.sequence.models.sine import Sine
from models.component import ComponentConfig, one_of

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
