"""What the vectors of users and videos are learned by before a recipe's fit, by `kind`."""

from typing import TYPE_CHECKING

from models.component import one_of
from models.pretraining.base import Pretraining, PretrainingOptions
from models.pretraining.distilled import TEACHERS, Distilled
from models.pretraining.gacn import Gacn

PRETRAININGS: dict[str, type[Pretraining]] = {**TEACHERS, "gacn": Gacn, "distilled": Distilled}

if TYPE_CHECKING:
    PretrainingConfig = PretrainingOptions
else:
    PretrainingConfig = one_of(PRETRAININGS)
