"""The benchmark flow: a protocol of `benchmarks/` from data to its recorded table."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from tasks.core.layout import Workspace
from tasks.protocol.config import load_protocol
from tasks.protocol.record import record
from tasks.protocol.run import ProtocolRun


@flow(name="benchmark")
def benchmark(folder: Path, data: Path | None = None) -> Path:
    """Run the protocol in `folder/protocol.yaml` and write `results.md` and `results.json` beside it.

    Args:
        folder: for example benchmarks/kuairand_r0.
        data: path of the source, instead of the one the protocol names.
    """
    protocol = load_protocol(folder / "protocol.yaml")
    run = ProtocolRun(protocol, Workspace(Path(".dwell/benchmarks") / folder.name), data)
    _step("data", run.prepare)
    for name, variant in protocol.variants.items():
        _step(f"table {name}", run.table, name)
        for recipe in variant.recipes:
            _step(f"{recipe} on {name}", run.fit, name, recipe)
    _step("baselines", run.baselines)
    return record(protocol, run.results(), folder)


@task(task_run_name="{name}", cache_policy=NO_CACHE)
def _step(name: str, work: object, *arguments: str) -> None:
    work(*arguments)  # type: ignore[operator]
