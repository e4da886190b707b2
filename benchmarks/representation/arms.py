"""The variants of a protocol, each a table of its own that one recipe is fitted on, measured by slices of judge rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.representation.slices import Sliced, heading, sliced, slices_of
from benchmarks.watchtime.testbed import Testbed
from tasks.core.layout import Workspace
from tasks.protocol.config import Protocol
from tasks.protocol.run import ProtocolRun
from tasks.table.items.config import CodedItems, ItemsConfig
from tasks.table.training_table import TrainingTable

RECIPE = "network"


@dataclass(frozen=True, eq=False)
class Arms:
    """What every variant is worth.

    Attributes:
        found: arm -> slice -> its fits there.
        tables: arm -> folder of its table.
        rows: slice -> judge rows.
    """

    found: Mapping[str, Mapping[str, Sliced]]
    tables: Mapping[str, Path]
    rows: Mapping[str, int]

    @classmethod
    def fitted(cls, protocol: Protocol, options: Options) -> Self:
        """Prepare the days, and fit the recipe on the table of every variant."""
        night = ProtocolRun(protocol, Workspace(options.scratch / "night"))
        night.prepare()
        found: dict[str, dict[str, Sliced]] = {}
        tables: dict[str, Path] = {}
        rows: dict[str, int] = {}
        for arm in protocol.variants:
            tables[arm] = night.table(arm)
            training = protocol.params.training_of(RECIPE)
            testbed = Testbed(
                night.workspace.features, tables[arm], night.days, options.scratch / "fits" / arm, training
            )
            outputs = testbed.judged(testbed.outputs(testbed.fit(RECIPE, protocol.params.recipe(RECIPE))))
            slices = slices_of(testbed, TrainingTable.open(tables[arm]))
            found[arm] = {name: sliced(testbed, outputs, index) for name, index in slices.items()}
            rows = {name: index.size for name, index in slices.items()}
        return cls(found, tables, rows)

    def over(self, arm: str, other: str, name: str) -> dict[str, tuple[float, float, float]]:
        """Return by how much an arm is better than another on a slice, and the intervals over users and over videos."""
        return self.found[arm][name].over(self.found[other][name])

    def table(self, name: str, against: Mapping[str, str]) -> Table:
        """Return the table of a slice.

        Args:
            name: of the slice.
            against: arm that all others are held against -> what it is called.
        """
        lines, numbers = [], {}
        for arm, of in self.found.items():
            over = {base: self.over(arm, base, name) for base in against}
            cells = [
                "" if arm == base else "{:+.4f} [{:+.4f}, {:+.4f}]".format(*interval)
                for base, by_unit in over.items()
                for interval in by_unit.values()
            ]
            size = TrainingTable.open(self.tables[arm]).schema.num_rows
            lines.append([arm, f"{size:,}", mean_sd(of[name].per_seed, 4), *cells])
            numbers[arm] = {"per_seed": of[name].per_seed, "over": over}
        columns = [f"against {called} ({unit})" for called in against.values() for unit in ("users", "videos")]
        columns = ["arm", "embedding rows", "XAUC", *columns]
        return Table(heading(name), columns, lines, [f"{self.rows[name]:,} judge rows."], numbers)


def control_of(protocol: Protocol, arm: str) -> str | None:
    """Return the control that an arm is; None: its codes are its videos' own."""
    items = protocol.variants[arm].table.items
    return items.control if isinstance(items, CodedItems) else None


def controls(protocol: Protocol, arm: str) -> list[str]:
    """Return the arms that are one with another control."""

    def uncontrolled(name: str) -> ItemsConfig:
        return protocol.variants[name].table.items.model_copy(update={"control": None})

    controlled = [name for name in protocol.variants if control_of(protocol, name) is not None]
    return [name for name in controlled if uncontrolled(name) == protocol.variants[arm].table.items]


def said(verdict: Mapping[str, bool]) -> str:
    """Return what of a rule holds, as a sentence."""
    return "; ".join(f"{what}: {'yes' if is_so else 'no'}" for what, is_so in verdict.items()) + "."
