"""The command line that every benchmark of several parts has: run some parts and write down what came out."""

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.part import Options, Part, Table
from benchmarks.parts.report import write_part
from tasks.core.errors import SourceError

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        title: heading of its results.
        package: where its parts lie, such as `benchmarks.debias`; results go below it unless the caller names another place.
        parts: their names, in order.
        seeds: fits of every model unless the caller says otherwise.
        about: what `--help` says.
        rows: of the log that is simulated, unless the caller says otherwise; None: the parts say how many.
    """

    title: str
    package: str
    parts: Sequence[str]
    seeds: Sequence[int]
    about: str
    rows: int | None = None

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the parts that are named, or all; return the exit status."""
        parser = self._parser()
        asked = parser.parse_args(arguments)
        if unknown := sorted(set(asked.parts) - set(self.parts)):
            parser.error(f"unknown parts {', '.join(unknown)}: choose from {', '.join(self.parts)}")
        for name in asked.parts or self.parts:
            began = time.perf_counter()
            try:
                with self._scratch(asked.scratch, name) as scratch:
                    tables = self._part(name)(Options(asked.data, tuple(asked.seeds), scratch, asked.quick, asked.rows))
            except SourceError as error:
                print(f"error: part {name}: {error}", file=sys.stderr)
                return 1
            if not tables:
                continue
            seconds = time.perf_counter() - began
            if asked.quick:
                _show(tables)
            else:
                command = f"python -m {self.package} {name} --data DATA --seeds {' '.join(map(str, asked.seeds))}"
                command += f" --rows {asked.rows}" if self.rows else ""
                print(write_part(f"{self.title}: {name}", name, tables, asked.seeds, command, seconds, asked.out))
        return 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=f"python -m {self.package}", description=self.about)
        parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(self.parts)}; all")
        parser.add_argument(
            "--data", type=Path, default=Path("../shared/data"), help="folder that holds KuaiRand-Pure/, coat/ ..."
        )
        parser.add_argument("--seeds", type=int, nargs="+", default=list(self.seeds), help="one fit each")
        parser.set_defaults(rows=None)
        if self.rows is not None:
            parser.add_argument("--rows", type=int, default=self.rows, help="of the simulated log")
        results = _ROOT.joinpath(*self.package.split("."), "results")
        parser.add_argument("--out", type=Path, default=results, help="folder of the results")
        parser.add_argument("--scratch", type=Path, help="keep finished fits here and take those that are; default: a "
                            "temporary folder. Start with an empty one after a change of code")  # fmt: skip
        parser.add_argument("--quick", action="store_true", help="show that the parts run; prints, records nothing")
        return parser

    def _part(self, name: str) -> Part:
        part: Part = importlib.import_module(f"{self.package}.{name}").run
        return part

    @contextmanager
    def _scratch(self, folder: Path | None, name: str) -> Iterator[Path]:
        if folder is None:
            with tempfile.TemporaryDirectory(prefix=f"{self.package.replace('.', '-')}-{name}-") as temporary:
                yield Path(temporary)
            return
        (folder / name).mkdir(parents=True, exist_ok=True)
        yield folder / name


def _show(tables: Sequence[Table]) -> None:
    for table in tables:
        print(f"{table.title}: {len(table.rows)} rows")
