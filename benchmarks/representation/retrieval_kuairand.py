"""Proposers on the days at hand of KuaiRand-Pure: hardly more than one long view a user."""

from benchmarks.parts.part import Options, Table
from benchmarks.relations.r0 import FILE
from benchmarks.representation.retrieval import Retrieval
from tasks.core.layout import Workspace
from tasks.protocol.config import load_protocol
from tasks.protocol.run import ProtocolRun
from tasks.table.training_table import TrainingTable


def run(options: Options) -> list[Table]:
    """Read the days of protocol R0 and measure every arm."""
    night = ProtocolRun(load_protocol(FILE), Workspace(options.scratch / "night"), options.data / "KuaiRand-Pure")
    night.prepare()
    (variant,) = night.protocol.variants
    found = Retrieval(TrainingTable.open(night.table(variant)), night.workspace.features)
    return [found.measured("KuaiRand-Pure, days of protocol R0", options.seeds)]
