"""The card of a registered model: what it is, what it was fitted and judged on, why it serves, and what it cannot do."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.cards.markdown import page, points, table, words
from tasks.evaluate import catalogue
from tasks.gate.decision import Decision, load_decision
from tasks.predict.manifest import read_manifest
from tasks.registry.entry import BUNDLE, Entry, read_entry
from tasks.train.manifest import BundleManifest

_LIMITS = (
    "It was fitted on what a policy showed. On videos that this policy does not show, only the random rows of the log can tell how far "
    "off it is.",
    "It reads features as they stood before the day began; rows with features of another time get other predictions.",
    "It is refreshed by nights. An old one drifts: the ledger says how old it was when it last served.",
    "Scores order videos of one user; between users only calibrated seconds and probabilities can be compared.",
)


def model_card(folder: Path, identity: str) -> str:
    """Return the card in Markdown, with the front matter that model hubs read.

    Args:
        folder: the registry entry.
        identity: its id.

    Raises:
        RegistryError: if the entry is damaged.
    """
    entry, decision = read_entry(folder, identity), load_decision(folder)
    manifest = read_manifest(folder / BUNDLE)
    return page(
        "---\nlibrary_name: dwell\npipeline_tag: tabular-regression\ntags: [watch-time, recommendation, short-video]\n---",
        f"# {words(entry.recipe)} ({identity})",
        f"Predicts seconds of watch time and what a user does with a short video. Fitted by night {entry.as_of} of {words(entry.source)}.",
        "## Use",
        f'```python\nimport dwell\n\nmodel = dwell.load("{identity}")\nprint(model.predict(rows))\n```',
        "## Fitted on",
        table(("what", "value"), _fitted(manifest)),
        f"```json\n{json.dumps(_recipe(manifest), indent=1, sort_keys=True)}\n```",
        "## Judged on",
        f"Day {decision.as_of}, which selected nothing. Intervals are of 95 %, over users.",
        table(("metric", "value", "interval"), _metrics(entry.metrics)),
        "## Why it serves",
        words(decision.reason),
        _conditions(decision, entry.recipe),
        f"A person overruled the gate: {words(entry.forced_reason)}" if entry.forced_reason else "",
        "## Limits",
        points((*_LIMITS, *_own_limits(manifest, decision, entry))),
        "## Made from",
        table(("hash", "of"), [(value, name) for name, value in entry.provenance.model_dump().items()]),
    )


def _fitted(manifest: BundleManifest) -> Iterator[tuple[str, str]]:
    days = manifest.days
    yield "fit days", f"{days.fit[0]} to {days.fit[-1]}"
    yield "validation day", ", ".join(days.validation)
    yield "impressions fitted on", f"{manifest.rows.fit:,}"
    if (selected := manifest.selection) is not None:
        yield "of them read by steps", f"{selected.kept:,}, drawn by {selected.kind!r} and weighed by 1 / probability"
    yield "impressions of the validation day", f"{manifest.rows.validation:,}"
    yield "seeds", ", ".join(map(str, manifest.seeds))
    yield "seed that serves", str(manifest.serving_seed)


def _recipe(manifest: BundleManifest) -> Any:
    return manifest.model_dump(mode="json", include={"recipe", "members", "kind"})


def _metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in metrics.items():
        found = catalogue.find(name)
        if found is None or not isinstance(value, float):
            continue
        low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
        interval = "" if low is None or high is None else f"[{low:.{found.digits}f}, {high:.{found.digits}f}]"
        yield found.label, f"{value:.{found.digits}f} {found.unit}".rstrip(), interval


def _conditions(decision: Decision, recipe: str) -> str:
    checks = decision.challenger(recipe).checks
    rows = [(check.label or check.name, check.status.replace("_", " "), check.reason) for check in checks]
    return table(("condition", "status", "in words"), rows)


def _own_limits(manifest: BundleManifest, decision: Decision, entry: Entry) -> Iterator[str]:
    if manifest.frozen_tasks:
        yield f"Too few positives to learn {', '.join(manifest.frozen_tasks)}: it does not predict them."
    refused = manifest.calibration_refused.get(manifest.serving_seed)
    if refused:
        yield f"Its seconds are not calibrated on the validation day: {refused}."
    yield from decision.challenger(entry.recipe).warnings
