"""The proposers by `kind`. A new one is one file, its block and one line here."""

from collections.abc import Mapping

from tasks.candidates.proposers.base import Proposer
from tasks.candidates.proposers.co_occurrence import CoOccurrence
from tasks.candidates.proposers.directau import DirectAu
from tasks.candidates.proposers.gacn import Gacn
from tasks.candidates.proposers.lightgcn import LightGcn
from tasks.candidates.proposers.metric import Metric
from tasks.candidates.proposers.popularity import Popularity
from tasks.candidates.proposers.random import Random
from tasks.candidates.proposers.sasrec import SasRecTopK
from tasks.candidates.proposers.seater import SeaterWalk
from tasks.candidates.proposers.setrec import SetRecSlots

PROPOSERS: Mapping[str, type[Proposer]] = {
    "popularity": Popularity,
    "co_occurrence": CoOccurrence,
    "random": Random,
    "directau": DirectAu,
    "lightgcn": LightGcn,
    "metric": Metric,
    "sasrec": SasRecTopK,
    "seater": SeaterWalk,
    "setrec": SetRecSlots,
    "gacn": Gacn,
}
