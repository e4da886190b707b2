"""A night of any size as works to schedule: tasks by stage, from recorded rates and from assumptions that are stated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cluster_cost.schedule import Span, Work, simulate
from benchmarks.scale import DAYS

FIT_DAYS, ENCODED_DAYS, MODELLED_DAYS = 6, 8, 8
"""Days of the default window: those that are fitted on, those of the table, and those whose rows get features."""
POOL = 100
"""Videos that each user is scored with in the night that rates were recorded on."""
SHARES = 1024
"""Shares of the users that are scored: scoring divides them finer than this."""
WORKERS, DRIVER = "workers", "driver"
"""Where works run: on the cluster, or on the machine of the stage itself."""
GIB = 2**30


@dataclass(frozen=True)
class Rates:
    """What was measured, beyond what it costs to start.

    Attributes:
        cpu_s: stage -> CPU seconds for each row of the 15 days of a night.
        score_s: CPU seconds for each scored pair.
        fixed_s: stage -> CPU seconds whatever the number of rows: stages that read a capped number of them.
        memory: stage -> bytes of the process for each row of one day.
        shares: stage -> share of each of its maps in its task seconds.
        bytes_per_row: folder -> bytes on disk.
    """

    cpu_s: Mapping[str, float]
    score_s: float
    fixed_s: Mapping[str, float]
    memory: Mapping[str, float]
    shares: Mapping[str, Sequence[float]]
    bytes_per_row: Mapping[str, float]

    @classmethod
    def read(cls, scale: Mapping[str, Any], measured: Mapping[str, Any]) -> "Rates":
        """Return the rates of `benchmarks/scale` between its two largest nights, and of a night on a real cluster.

        Args:
            scale: rows -> stage -> cost, as `results.json` there has it.
            measured: as `measured.measure` returns it.
        """
        small, large = sorted(scale, key=int)[-2:]
        rows = int(large) - int(small)

        def between(stage: str, of: str) -> float:
            return max(0.0, float(scale[large][stage][of] - scale[small][stage][of])) / rows

        users = users_of(int(large)) - users_of(int(small))
        return cls(
            cpu_s={stage: between(stage, "cpu_seconds") for stage in scale[large]},
            score_s=between("score", "cpu_seconds") * rows / (users * POOL),
            fixed_s={"baselines": float(scale[large]["baselines"]["cpu_seconds"])},
            memory={stage: between(stage, "peak_mib") * 2**20 * DAYS for stage in scale[large]},
            shares=measured["shares"],
            bytes_per_row=measured["bytes_per_row"],
        )


def users_of(rows: int) -> int:
    """Return the users of the simulated night of so many rows (`SimulatorConfig.scaled`: as many more as rows)."""
    return round(rows / DAYS * 1500 / 6666)


@dataclass(frozen=True)
class Night:
    """What is assumed of a night and of the machines; the defaults are those of the page.

    Attributes:
        rows: impressions of one day.
        rows_per_user: impressions of one user on a day; everybody of a day is scored for the next.
        parts: tasks that a day is divided into.
        new_days: days that no earlier night has made: 1, or all 15 of a first night.
        workers: machines of the cluster.
        cores: of each worker, each with a task of its own.
        driver_cores: of the machine that runs what is not mapped.
        storage_mb_s: megabytes that each machine reads or writes per second, shared by its cores.
    """

    rows: float = 1e9
    rows_per_user: float = 100
    parts: int = 1
    new_days: int = 1
    workers: int = 16
    cores: int = 16
    driver_cores: int = 16
    storage_mb_s: float = 1000.0

    @property
    def machine_cores(self) -> dict[str, int]:
        """Cores by where works run."""
        return {WORKERS: self.workers * self.cores, DRIVER: self.driver_cores}

    def works(self, rates: Rates) -> list[Work]:
        """Return the works of the night.

        A task reads and writes at its core's share of the storage's rate, and computes on one core. The fit and the trees use all
        cores of the driver, as if they scaled to them; all else on the driver uses one.
        """
        rows, new, size = self.rows, self.new_days, rates.bytes_per_row
        cpu = {stage: rate * DAYS * rows for stage, rate in rates.cpu_s.items()}
        sums, states, joined = (share * cpu["features"] for share in rates.shares["features"])
        count, encode = (share * cpu["table"] for share in rates.shares["table"])
        raw, clean, features = (size[name] for name in ("raw/impressions", "validated/impressions", "features/rows"))
        share = new / DAYS
        modelled = min(new, MODELLED_DAYS)
        mapped = [
            ("ingest", share * cpu["ingest"], raw, new, ()),
            ("validate", share * cpu["validate"], raw + clean, new, ("ingest",)),
            ("features: sums", share * sums, clean + size["features/daily"], new, ("validate",)),
            (
                "features: states",
                states * min(new, MODELLED_DAYS + 1) / (MODELLED_DAYS + 1),
                size["features/daily"] + size["features/state"],
                min(new, MODELLED_DAYS + 1),
                ("features: sums",),
            ),
            (
                "features: rows",
                joined * modelled / MODELLED_DAYS,
                clean + size["features/state"] + features,
                modelled,
                ("features: states",),
            ),
            ("table: counted", count, features, FIT_DAYS, ("features: rows",)),
            ("table: encoded", encode, features + size["table"], ENCODED_DAYS, ("table: counted",)),
        ]
        works = [self._mapped(*work) for work in mapped]
        join_s = 2 * ENCODED_DAYS * rows * size["table"] / (self.storage_mb_s * 1e6)
        pairs = self.rows / self.rows_per_user * POOL
        score_s = pairs * rates.score_s / SHARES
        return [
            *works,
            Work("table: joined", DRIVER, [join_s], ("table: encoded",)),
            self._on_all_cores("fit of one recipe", cpu["train@d2q"], ("table: joined",)),
            self._on_all_cores("baselines", rates.fixed_s["baselines"], ("fit of one recipe",)),
            Work("evaluate", DRIVER, [cpu["evaluate@d2q"]], ("fit of one recipe",)),
            Work("gate", DRIVER, [cpu["gate"]], ("evaluate", "baselines")),
            Work("score", WORKERS, [score_s] * SHARES, ("gate",)),
            Work("report", DRIVER, [cpu["report"]], ("score",)),
        ]

    def _mapped(self, name: str, cpu_s: float, bytes_per_row: float, days: int, after: tuple[str, ...]) -> Work:
        """Return a work whose tasks are parts of days."""
        tasks = days * self.parts
        moved_s = self.rows * days * bytes_per_row / (self.storage_mb_s * 1e6 / self.cores)
        return Work(name, WORKERS, [(cpu_s + moved_s) / tasks] * tasks, after)

    def _on_all_cores(self, name: str, cpu_s: float, after: tuple[str, ...]) -> Work:
        return Work(name, DRIVER, [cpu_s / self.driver_cores] * self.driver_cores, after)

    def schedule(self, rates: Rates) -> dict[str, Span]:
        """Return when each work of the night runs."""
        return simulate(self.works(rates), self.machine_cores)


@dataclass(frozen=True)
class Cost:
    """What a night costs.

    Attributes:
        hours: from its begin to its end.
        mapped_hours: of those, in which the cluster has a task.
        busy_core_hours: in which a core has a task.
        paid_core_hours: of the driver from the begin to the end, and of the whole cluster while it has a task.
    """

    hours: float
    mapped_hours: float
    busy_core_hours: float
    paid_core_hours: float

    @classmethod
    def of(cls, night: Night, rates: Rates) -> "Cost":
        """Return the cost of a night."""
        works = night.works(rates)
        spans, cores = simulate(works, night.machine_cores), night.machine_cores
        ended_s = max(span.ended_s for span in spans.values())
        mapped_s = sum(spans[work.name].ended_s - spans[work.name].began_s for work in works if work.where == WORKERS)
        busy_s = sum(sum(work.task_s) for work in works)
        paid_s = cores[DRIVER] * ended_s + cores[WORKERS] * mapped_s  # works of the cluster wait for each other
        return cls(ended_s / 3600, mapped_s / 3600, busy_s / 3600, paid_s / 3600)
