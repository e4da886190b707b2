"""Where every number comes from, and how to make this night again."""

from collections.abc import Iterator

from tasks.core.run_key import RunKey
from tasks.report.formatting import listed
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, Commands, Heading, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold

NONE = "none"


def lineage(artifacts: Artifacts, key: RunKey) -> Section:
    """Return the section."""
    blocks: list[PageBlock] = [
        Text("Equal inputs, configuration and code give equal bytes: these are the names of all three."),
        _run_key(artifacts, key),
        _fits(artifacts),
        fold("Hashes of what was judged", _judged(artifacts)),
        Heading("Make this night again"),
        *_reproduce(artifacts, key),
    ]
    return Section("lineage", "Lineage", tuple(blocks))


def _run_key(artifacts: Artifacts, key: RunKey) -> PageTable:
    manifest = artifacts.bundles[0].manifest
    decision = artifacts.decision
    days = manifest.days
    named = [
        ("Night (as_of)", key.as_of.isoformat()),
        ("Source", key.source),
        ("Data read from", key.data),
        ("Fit days", f"{days.fit[0]} to {days.fit[-1]}"),
        ("Early stopping and calibration", ", ".join(days.validation)),
        ("Judge day", ", ".join(artifacts.focus.metrics.days)),
        ("Seeds", ", ".join(map(str, manifest.seeds))),
        *([("Tokenizer of item codes", manifest.tokenizer[:16])] if manifest.tokenizer else []),
        ("Champion challenged", key.champion),
        ("Earlier judge days used", listed(key.evidence) or NONE),
        ("Decision", decision.id),
    ]
    rows = tuple(TableRow((Cell(name), Cell(value, code=True))) for name, value in named)
    return PageTable("The key of the night", (TableHead("What"), TableHead("Value")), rows)


def _fits(artifacts: Artifacts) -> PageTable:
    heads = (
        TableHead("Recipe"),
        TableHead("Data"),
        TableHead("Code"),
        TableHead("Configuration"),
        TableHead("Recipe (gate)"),
    )
    rows = []
    for bundle in artifacts.bundles:
        hashes = bundle.manifest.hashes
        recipe_hash = artifacts.decision.challenger(bundle.name).recipe_hash
        cells = (Cell(value[:16], code=True) for value in (hashes.data, hashes.code, hashes.config))
        rows.append(TableRow((Cell(bundle.name), *cells, Cell(recipe_hash[:16], code=True))))
    return PageTable("SHA-256 of what each recipe was fitted from (first 16 digits)", heads, tuple(rows))


def _judged(artifacts: Artifacts) -> PageTable:
    rows = tuple(TableRow((Cell(name), Cell(value, code=True))) for name, value in artifacts.hashes.items())
    return PageTable("SHA-256", (TableHead("File"), TableHead("Hash")), rows)


def _reproduce(artifacts: Artifacts, key: RunKey) -> Iterator[PageBlock]:
    night = f"nights/{key.source}/{key.as_of.isoformat()}"
    yield Text("With the archived key, configuration and lock file, in a checkout of the code that made it:")
    yield Commands(
        (
            f"cp {night}/run.yaml {night}/params.yaml {night}/dvc.lock .",
            "dvc checkout    # or: dvc pull, where the results lie in a remote",
            "dvc repro       # nothing to do; dvc repro --force makes everything anew, to the same hashes",
        )
    )
    yield Text("From nothing but the data:")
    yield Commands((f"dwell nightly --as-of {key.as_of.isoformat()} --source {key.source}",))
    if artifacts.decision.verdict == "promote" and artifacts.champion is not None:
        yield Text("To take the promotion back:")
        yield Commands((f"dwell rollback --source {key.source} --reason '...'",))
