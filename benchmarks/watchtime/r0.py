"""Protocol R0 on KuaiRand-Pure as testbeds: raw identifiers only, as in the reference table, or with features and history."""

from dataclasses import replace
from pathlib import Path

from benchmarks.parts.part import Options
from benchmarks.watchtime.testbed import Testbed
from tasks.core.layout import Workspace
from tasks.features.build import build_features
from tasks.protocol.config import Protocol, load_protocol
from tasks.protocol.run import ProtocolRun
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig

PROTOCOL = Path(__file__).resolve().parent.parent / "kuairand_r0" / "protocol.yaml"


def r0_protocol() -> Protocol:
    """Return the protocol of `benchmarks/kuairand_r0`."""
    return load_protocol(PROTOCOL)


def r0_testbed(data: Path, scratch: Path, variant: str, training: TrainingConfig) -> Testbed:
    """Build features and the table of one variant, unless an earlier run did.

    Args:
        data: the KuaiRand-Pure folder.
        scratch: a folder for this variant and others.
        variant: `ids` or `features` of the protocol.
        training: seeds, and how recipes are fitted.
    """
    run = ProtocolRun(r0_protocol(), Workspace(scratch / "r0"), data)
    if not (run.workspace.features / "schema.json").is_file():
        run.prepare()
    table = run.place(variant).table
    if not TrainingTable.stands_in(table):
        table = run.table(variant)
    return Testbed(run.workspace.features, table, run.days, scratch / "r0" / "fits" / variant, training)


def ids_testbed(options: Options) -> Testbed:
    """Return the testbed of raw identifiers, in which all recipes are fitted alike."""
    training = TrainingConfig(seeds=tuple(options.seeds), **({"max_epochs": 1} if options.quick else {}))
    return r0_testbed(options.data / "KuaiRand-Pure", options.scratch, "ids", training)


def refreshed(testbed: Testbed, scratch: Path) -> Testbed:
    """Return an testbed of the same table and fits whose judge days have features as of every morning, as nights have.

    Args:
        testbed: of `r0_testbed`, whose judge days have features as of the first of them.
        scratch: the folder it was given.
    """
    run = ProtocolRun(r0_protocol(), Workspace(scratch / "r0"))
    features, params = scratch / "r0" / "refreshed", run.protocol.params
    days = replace(run.days, frozen_from=None)
    if not (features / "schema.json").is_file():
        build_features(run.workspace.validated, params.features, days, features, params.cluster)
    return replace(testbed, features=features, days=days)
