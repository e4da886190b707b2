"""The top of the page: what was decided, why, what serves tomorrow, and what a person should look at."""

from collections.abc import Iterator, Mapping

from tasks.forecast.words import alarm
from tasks.gate.compared import Delta
from tasks.gate.decision import ChallengerVerdict, Decision
from tasks.report.fitted import FittedBundle
from tasks.report.formatting import count, interval, listed, measure, number, plural, sentence, share, task
from tasks.report.inputs import Artifacts
from tasks.report.losses import losses_in_words
from tasks.report.negative_transfer import Loss, losses
from tasks.report.sections.challengers import check_name
from tasks.report.sections.scores import Lists, alike, crowded
from tasks.report.view import Fact, Tone, Top
from tasks.validate.summary import DataSummary

_VERDICTS: Mapping[str, tuple[str, Tone]] = {
    "promote": ("Promoted", "good"),
    "keep": ("Champion stays", "warn"),
    "refuse": ("Nothing serves", "bad"),
    "forced": ("Promoted by force", "warn"),
}


def top(artifacts: Artifacts, lists: Lists | None) -> Top:
    """Return the decision in plain words.

    Args:
        artifacts: the night.
        lists: of tomorrow; None where nothing serves.
    """
    decision = artifacts.decision
    verdict, tone = _VERDICTS["forced" if decision.kind == "forced" else decision.verdict]
    return Top(
        verdict=verdict,
        tone=tone,
        headline=headline(artifacts),
        reasons=tuple(reasons(decision)),
        facts=tuple(_facts(artifacts)),
        attention=tuple(attention(artifacts, lists)),
    )


def headline(artifacts: Artifacts) -> str:
    """Say in one sentence what serves tomorrow."""
    decision, day = artifacts.decision, artifacts.scores.day
    if decision.verdict == "refuse":
        none = f"The champion {decision.retired.entry} was retired" if decision.retired else "There is no champion"
        return f"{none}, and no challenger was good enough to become the first: nothing serves {day}."
    champion = artifacts.champion
    standing = f"{champion.recipe} of night {champion.as_of}" if champion else ""
    if decision.verdict == "keep":
        return f"The champion stays: {standing} serves {day}."
    before = f"{decision.retired.entry} was retired" if decision.retired else "there was none before"
    said = {
        "first": f"becomes the first champion ({before})",
        "refresh": f"refitted on newer data, replaces the champion {standing}",
        "refresh_by_age": f"refitted on newer data, replaces the old champion {standing}",
        "upgrade": f"a different recipe, replaces the champion {standing}",
        "forced": f"was promoted by a person over the champion {standing}" if champion else "was promoted by a person",
    }
    comma = "," if decision.kind in ("refresh", "refresh_by_age", "upgrade") else ""
    from_when = "is the champion from the next night on" if decision.kind == "forced" else f"serves {day}"
    return f"{decision.winner}{comma} {said[decision.kind or 'first']}, and {from_when}."


def reasons(decision: Decision) -> Iterator[str]:
    """Yield why: the winner first, then what became of every other challenger."""
    if decision.forced_reason is not None:
        yield sentence(f"A person overruled the gate: {decision.forced_reason}")
        yield "The lists on this page were made before, by what the gate had let serve."
    winner = decision.winner
    ordered = sorted(decision.challengers, key=lambda verdict: (verdict.name != winner, not verdict.passed))
    for verdict in ordered:
        yield _of_challenger(verdict, decision)


def _of_challenger(verdict: ChallengerVerdict, decision: Decision) -> str:
    rule = {
        "first": "beats every trivial baseline, reaches the others and is calibrated",
        "refresh": "the champion's own recipe on newer data, is not worse than the champion",
        "refresh_by_age": "the champion's own recipe on newer data, shows no harm against a champion beyond its age",
        "upgrade": "another recipe than the champion's, is better by the evidence of the reign's nights",
    }[verdict.rule]
    if not verdict.passed:
        return f"{verdict.name} was refused: {_failures(verdict)}"
    comma = "," if verdict.rule != "first" else ""
    text = f"{verdict.name}{comma} {rule}: {verdict.reason}"
    if verdict.name == decision.winner or decision.winner is None:
        return sentence(text, verdict.name)
    return sentence(f"{text}; {_why_not_it(verdict, decision.challenger(decision.winner))}", verdict.name)


def _failures(verdict: ChallengerVerdict) -> str:
    """Return what failed: in numbers where it is little, else by name (the numbers stand in the section)."""
    failed = verdict.failed
    if len(failed) <= 2:
        return "; ".join(check.reason for check in failed).rstrip(".") + "."
    names = ", ".join(check_name(check) for check in failed)
    return f"{len(failed)} of {plural(len(verdict.checks), 'condition')} do not hold ({names})."


def _why_not_it(verdict: ChallengerVerdict, winner: ChallengerVerdict) -> str:
    if winner.rule == "upgrade" and verdict.rule != "upgrade":
        return f"{winner.name}, an upgrade, goes before a refresh"
    xauc = measure("xauc")
    ours, theirs = number(verdict.validation_xauc, xauc), number(winner.validation_xauc, xauc)
    return f"{winner.name} was chosen on the validation day (XAUC {theirs} against {ours})"


def _facts(artifacts: Artifacts) -> Iterator[Fact]:
    focus = artifacts.focus
    who = artifacts.label(focus.name)
    yield _candidate(artifacts)
    for name in ("xauc", "xgauc", "mae"):
        estimate, how = focus.metric(name), measure(name)
        if estimate:
            value = number(estimate.value, how)
            yield Fact(f"{how.label} of {who}", value, interval(estimate.low, estimate.high, how))
    yield Fact("Judged on", plural(focus.metrics.rows, "row"), plural(focus.metrics.users, "user"))
    summary = artifacts.validation
    lost = summary.rows_in - summary.rows_out
    yield Fact("Quarantined", share(lost, summary.rows_in), f"{count(lost)} of {plural(summary.rows_in, 'row')}")


def _candidate(artifacts: Artifacts) -> Fact:
    """Return the challenger that won, or else came nearest, with its difference and what it failed."""
    best = artifacts.best
    outcome = "promoted" if best.name == artifacts.decision.winner else "passed" if best.passed else "refused"
    failed = best.failed
    said = f"all {plural(len(best.checks), 'condition')} hold"
    if failed:
        said = f"failed: {', '.join(check_name(check) for check in failed[:3])}"
        said += f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    tone: Tone = "bad" if failed else "good"
    found, how = _main_difference(artifacts.decision, best.name), measure("xauc")
    if found is None:
        return Fact(f"Best candidate: {best.name}", outcome, said, tone)
    against, delta = found
    bounds = interval(delta.low, delta.high, how, signed=True)
    label = f"Best candidate, {best.name} ({outcome}): XAUC over {artifacts.label(against)}"
    return Fact(label, number(delta.value, how, signed=True), f"{bounds}; {said}", tone)


def _main_difference(decision: Decision, name: str) -> tuple[str, Delta] | None:
    """Return the difference that matters: to the champion, else to the strongest baseline."""
    compared = [pair for verdict in decision.challengers if verdict.name == name for pair in verdict.compared]
    found = [(pair.reference, delta) for pair in compared if (delta := pair.delta("xauc")) and delta.value is not None]
    return min(found, key=lambda pair: (pair[0] != "champion", pair[1].value), default=None)


def attention(artifacts: Artifacts, lists: Lists | None) -> Iterator[str]:
    """Yield what a person should look at: what is about the data first, then losses, lists, and single models."""
    if not artifacts.decision.expectations_passed:
        yield "Data expectations failed on this night's data; nothing can be promoted."
    yield from _data_warnings(artifacts.validation)
    yield from (sentence(alarm(artifacts.forecast, found)) for found in artifacts.forecast.alarms)
    yield from losses_in_words(artifacts)
    if lists is not None and crowded(artifacts.scores, lists):
        yield f"Lists are much alike: {alike(artifacts.scores, lists)}"
    for verdict in artifacts.decision.challengers:
        if verdict.warnings:
            yield sentence(f"{verdict.name}: {'; '.join(verdict.warnings)}", verdict.name)
    for bundle in artifacts.bundles:
        yield from _fit_warnings(bundle)
    yield from map(_transfer_warning, losses(artifacts))
    for model in artifacts.fitted:
        yield from (
            sentence(f"{artifacts.label(model.name)}: {warning}", artifacts.label(model.name))
            for warning in model.metrics.warnings
        )


def _data_warnings(summary: DataSummary) -> Iterator[str]:
    named = [(day.day, day.problems) for day in summary.days]
    named += [(f"table {name}", table.problems) for name, table in summary.side_tables.items()]
    noisy = [(name, len(problems)) for name, problems in named if problems]
    if noisy:
        total = sum(number for _, number in noisy)
        yield f"{plural(total, 'data rule')} warned or failed ({listed(name for name, _ in noisy)}): see Expectations."


def _fit_warnings(bundle: FittedBundle) -> Iterator[str]:
    manifest = bundle.manifest
    if manifest.frozen_tasks:
        yield f"{bundle.name} did not learn {listed(map(task, manifest.frozen_tasks))}: too few positives in the fit days."
    for seed, reason in manifest.calibration_refused.items():
        yield sentence(f"{bundle.name}, seed {seed}: its calibrator broke a guard: {reason}", bundle.name)


def _transfer_warning(loss: Loss) -> str:
    how = measure(loss.metric)
    return (
        f"{loss.recipe}: {task(loss.task)} suffers from its neighbours: {how.label} {number(loss.value, how)} against "
        f"{number(loss.alone, how)} of {loss.twin}, which learns fewer tasks."
    )
