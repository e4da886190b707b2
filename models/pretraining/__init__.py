"""What the vectors of users and videos are learned by before a recipe's fit, by `kind`."""

from typing import TYPE_CHECKING

from models.component import one_of
from models.pretraining.base import Pretraining, PretrainingOptions
from models.pretraining.collaborative import DirectAu, LightGcn
from models.pretraining.gacn import Gacn
from models.pretraining.metric import Metric

PRETRAININGS: dict[str, type[Pretraining]] = {
    "directau": DirectAu,
    "lightgcn": LightGcn,
    "metric": Metric,
    "gacn": Gacn,
}

if TYPE_CHECKING:
    PretrainingConfig = PretrainingOptions
else:
    PretrainingConfig = one_of(PRETRAININGS)
