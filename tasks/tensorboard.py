"""Training curves as TensorBoard reads them: a run per recipe and seed, a scalar per column of `curves.csv`."""

import importlib.util
import itertools
from pathlib import Path

from tasks.core.errors import ConfigError
from tasks.core.files import writing
from tasks.train.curves import FILE, Epoch, read_curves

EVENTS = "events.out.tfevents.0.dwell"
"""Name of a run's file; what TensorBoard looks for is its beginning. No time and no machine stand in it."""
_VERSION = "brain.Event:2"


def write_tensorboard(plots: Path, out: Path) -> list[str]:
    """Write the curves of every recipe that was fitted.

    Values are single precision, as TensorBoard holds them; equal curves give equal bytes.

    Args:
        plots: folder with `RECIPE/curves.csv`, as the stage `evaluate` leaves it.
        out: folder to write, replaced as a whole: RECIPE/seedS holds one file of events.

    Returns:
        The runs, by their folders.

    Raises:
        ConfigError: if there are no curves, or the extra is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("TensorBoard's files need its package: install the extra, pip install 'dwell[tensorboard]'")
    files = sorted(plots.glob(f"*/{FILE}"))
    if not files:
        raise ConfigError(f"{plots} holds no {FILE}: the stage evaluate writes one per recipe (`dwell nightly`)")
    runs = []
    with writing(out) as folder:
        for file in files:
            epochs = sorted(read_curves(file, "evaluate"), key=lambda epoch: (epoch.seed, epoch.epoch))
            for seed, of_seed in itertools.groupby(epochs, key=lambda epoch: epoch.seed):
                run = Path(file.parent.name) / f"seed{seed}"
                (folder / run).mkdir(parents=True)
                _write_run(folder / run / EVENTS, list(of_seed))
                runs.append(str(run))
    return runs


def _write_run(path: Path, epochs: list[Epoch]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("wb") as stream:
        writer = RecordWriter(stream)
        writer.write(Event(file_version=_VERSION).SerializeToString())
        for epoch in epochs:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in sorted(epoch.measured.items())]
            writer.write(Event(step=epoch.epoch, summary=Summary(value=values)).SerializeToString(deterministic=True))
        writer.flush()
