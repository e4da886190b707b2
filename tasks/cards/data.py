"""The card of the rows of a night: where they come from, what was set aside and why, what is unlike the days before."""

from tasks.cards.markdown import page, points, table, words
from tasks.core.run_key import RunKey
from tasks.validate.summary import DataSummary


def data_card(key: RunKey, summary: DataSummary) -> str:
    """Return the card in Markdown.

    Args:
        key: the night.
        summary: `data/validated/summary.json`.
    """
    first, last = summary.days[0], summary.days[-1]
    facts = (
        ("source", key.source),
        ("days of arrival", f"{first.day} to {last.day}"),
        ("rows that came in", f"{summary.rows_in:,}"),
        ("rows kept", f"{summary.rows_out:,}"),
        ("videos kept by their duration", summary.duration_filter),
        ("mean watch time of the last day", f"{last.mean_watch_s:.2f} s"),
    )
    cleaning = [
        (step.step.replace("_", " "), f"{step.taken:,}", summary.why.get(step.step, ""))
        for step in summary.cleaning[1:]
    ]
    aside = [
        (reason.replace("_", " "), f"{rows:,}", "of no day: set aside by ingest")
        for reason, rows in summary.set_aside.items()
    ]
    drift = sorted(last.drift.items(), key=lambda found: -found[1])[:10]
    problems = [problem.sentence for problem in last.problems]
    gaps = [f"{day} was accepted to be without rows: {reason}" for day, reason in summary.gaps.items()]
    return page(
        f"# Data of {words(key.source)}, night {key.as_of}",
        "Impressions of short videos: who was shown what, when, for how long it was watched, and what the user did.",
        table(("what", "value"), facts),
        "## Set aside",
        table(("rule", "rows", "why"), [*cleaning, *aside]) if cleaning or aside else "Nothing was set aside.",
        "## Unlike the days before",
        table(("column", "population stability index"), [(name, f"{value:.4f}") for name, value in drift])
        if drift
        else "",
        points(problems) or "No rule of the last day warned.",
        points(gaps),
        *_sensitive(summary),
        "## What the rows cannot tell",
        points(
            (
                "Only what was shown is seen: watch time of videos that the policy does not show is not in the log.",
                "A watch longer than its video is a replay, or a label that ends at the duration; which of them, the source says.",
                "Days are those of the source's time zone; a late row counts from when it was logged.",
            )
        ),
    )


def _sensitive(summary: DataSummary) -> tuple[str, ...]:
    """Return what is said of sensitive attributes of users; nothing where the source declares none."""
    if not summary.traits:
        return ()
    counts = summary.trait_users
    return (
        "## Sensitive attributes of users",
        f"May be used of {counts['used']:,} of {counts['asked']:,} users, who agreed; no other value was kept.",
        table(("attribute", "collected for"), list(summary.traits.items())),
    )
