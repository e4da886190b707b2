"""Write a setting that has been run: a page to read, and JSON to compute with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.feedback.differences import CANDIDATE, METRICS
from benchmarks.feedback.planted import EVIDENCE
from benchmarks.feedback.settings import load_settings
from tasks.core.files import write_json, write_text
from tasks.evaluate.stage import rounded
from tasks.protocol.config import Protocol
from tasks.protocol.record import circumstances

NAMES = {
    "feedback_aware": "feedback-aware",
    "skip_blind": "without skipped items",
    "no_feedback": "without feedback type and watch ratio",
    "no_context": "without ratio, gap and scene",
    "single_task": "watch time alone",
    "attention": "DIN attention, no Transformer",
    "pooled": "mean of the events",
    "none": "no history",
}


def write_setting(name: str, protocol: Protocol, found: Mapping[str, Any], folder: Path) -> Path:
    """Write `<name>.md` and `<name>.json` into `folder`; return the former.

    Args:
        name: of the setting.
        protocol: that was run.
        found: variant -> `models`, what `differences` returned, and on simulated days `planted`.
        folder: of the results.
    """
    where, seeds = circumstances(), list(protocol.params.training.seeds)
    variants = rounded(dict(found))
    write_json(folder / f"{name}.json", {"circumstances": where, "seeds": seeds, "variants": variants})
    lines = [f"# Feedback-aware encoding: {load_settings()[name].title}", ""]
    lines += [f"Run it: `python -m benchmarks.feedback {name} --data DATA`", ""]
    lines += ["Read [README.md](../README.md) first: it says what is compared and what the numbers mean.", ""]
    for variant, measured in variants.items():
        lines += _variant(variant, measured)
    lines += [
        f"Seeds {', '.join(map(str, seeds))}. Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, "
        f"{where['cores']} cores, {where['memory_gib']} GiB; Python {where['python']}, torch {where['torch']}.",
    ]
    return write_text(folder / f"{name}.md", "\n".join(lines) + "\n")


def _variant(title: str, found: Mapping[str, Any]) -> Iterator[str]:
    models = found["models"]
    judged = models[CANDIDATE]["judged"]
    yield from (f"## {title}: {judged['rows']:,} judge rows of {judged['users']:,} users", "")
    yield "| history, as read | " + " | ".join(f"{label} | aware minus this" for label in METRICS.values()) + " |"
    yield "|" + "---|" * (1 + 2 * len(METRICS))
    for name, label in NAMES.items():
        if name in models:
            cells = [cell for metric in METRICS for cell in _cells(models[name].get(metric), name == CANDIDATE)]
            yield f"| {label} | " + " | ".join(cells) + " |"
    yield ""
    if "planted" in found:
        yield from _planted(found["planted"])


def _planted(found: Mapping[str, Any]) -> Iterator[str]:
    yield "| of the topic, the history holds | share of rows | bored of it |"
    yield "|---|---|---|"
    for name in EVIDENCE:
        numbers = found["evidence"][name]
        bored = "-" if numbers["bored"] is None else f"{numbers['bored']:.3f}"
        yield f"| {name} | {numbers['share']:.3f} | {bored} |"
    yield from (
        "",
        "| XAUC gained by adding to the score of | skips and plays of the topic | boredom itself |",
        "|---|---|---|",
    )
    for name, label in NAMES.items():
        if name in found["gains"]:
            gains = found["gains"][name]
            yield f"| {label} | {gains['counts']:+.4f} | {gains['truth']:+.4f} |"
    yield ""


def _cells(numbers: Mapping[str, float] | None, is_candidate: bool) -> tuple[str, str]:
    if numbers is None:
        return "-", "-"
    spread = "" if numbers["seed_sd"] is None else f" ± {numbers['seed_sd']:.4f}"
    low, high = (numbers["low"], numbers["high"]) if numbers["low"] is not None else _users_only(numbers)
    difference = "" if is_candidate else f"{numbers['delta']:+.4f} [{low:+.4f}, {high:+.4f}]"
    return f"{numbers['value']:.4f}{spread}", difference


def _users_only(numbers: Mapping[str, float]) -> tuple[float, float]:
    return numbers["low_users_only"], numbers["high_users_only"]
