"""Terms that rank inside a list, by `kind`."""

from typing import TYPE_CHECKING

from models.component import one_of
from models.ranking.base import Ranking, RankingOptions
from models.ranking.jrc import Jrc
from models.ranking.listnet import ListNet
from models.ranking.none import NoRanking
from models.ranking.pairs import Pairs

RANKINGS: dict[str, type[Ranking]] = {"none": NoRanking, "pairs": Pairs, "listnet": ListNet, "jrc": Jrc}

if TYPE_CHECKING:
    RankingConfig = RankingOptions
else:
    RankingConfig = one_of(RANKINGS)
