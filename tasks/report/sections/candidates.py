"""How the night's proposers did: recall over the whole catalogue, how evenly they propose, and how healthy their vectors are."""

from collections.abc import Iterator

from tasks.candidates.compare import recall_difference
from tasks.candidates.document import Health, ProposerMetrics
from tasks.report.formatting import (
    NOTHING,
    Measure,
    count,
    difference_cell,
    estimate_cell,
    measure,
    number,
    plural,
    share,
    task,
)
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold

FLOOR = "popularity"
"""Kind that the others are held against, where a night fits it; else its first proposer."""
_HEALTH = Measure("", "", 2)
_METRICS = ("recall", "ndcg", "tail_recall", "new_user_recall", "ceiling", "gini", "coverage")


def candidates(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where a night proposes nothing."""
    found = artifacts.proposers
    if not found:
        return ()
    any_of = min(found, key=lambda one: one.catalogue)
    text = (
        f"Each proposer named {plural(any_of.length, 'video')} to each of {plural(any_of.users, 'user')} of the judge day, of "
        f"{plural(any_of.catalogue, 'video')} that the fit days know, and none that the user had been shown before. What counts is "
        f"every video that they then watched ({task(any_of.watched)}): {count(any_of.relevant)}, of which {count(any_of.unreachable)} "
        f"({share(any_of.unreachable, any_of.relevant)}) came after the fit days, so that nobody could propose them; "
        f"{plural(any_of.shown_again, 'watch', 'watches')} of what had been shown before {'is' if any_of.shown_again == 1 else 'are'} "
        f"left out. {plural(any_of.new_users, 'user')} came after the fit days. Watches are those of the product's own policy: what "
        "it does not show is not watched, which favours proposers that agree with it."
    )
    blocks: list[PageBlock] = [Text(text)]
    if any_of.users:
        blocks.append(_table(artifacts, found))
    blocks += [Text(said) for said in _further(found, any_of)]
    blocks += _health(found)
    return (Section("candidates", "Candidates", tuple(blocks)),)


def _further(found: tuple[ProposerMetrics, ...], any_of: ProposerMetrics) -> Iterator[str]:
    """Yield what single proposers reach beyond the others, and what the validation day chose for them."""
    for one in found:
        if one.catalogue > any_of.catalogue:
            yield (
                f"{one.name} reaches {plural(one.catalogue - any_of.catalogue, 'later video')} by their content as well: of what was "
                f"watched it could not have proposed {count(one.unreachable)}."
            )
        if one.chosen:
            settings = "; ".join(f"{name} {value:g}" for name, value in one.chosen.items())
            yield f"For {one.name} the validation day chose: {settings}."


def _table(artifacts: Artifacts, found: tuple[ProposerMetrics, ...]) -> PageTable:
    floor = next((one for one in found if one.kind == FLOOR), found[0])
    names = [f"proposed_{name}@{floor.length}" for name in _METRICS]
    recall = names[0]
    heads = [TableHead("Proposer"), TableHead("Difference", f"{measure(recall).label} to {floor.name}", numeric=True)]
    heads += [TableHead(measure(name).label, numeric=True) for name in names]
    lines = []
    for one in found:
        cells = [Cell(one.name, "" if one.kind == one.name else one.kind), _difference(artifacts, one, floor, recall)]
        cells += [estimate_cell(name, one.metrics.get(name)) for name in names]
        lines.append(TableRow(tuple(cells), marked=one.name == artifacts.scores.proposer))
    said = "; ".join(f"{measure(name).label}: {measure(name).meaning}" for name in names)
    return PageTable(
        f"Proposals for the judge day; the marked proposer's are scored for tomorrow. {said}",
        tuple(heads),
        tuple(lines),
    )


def _difference(artifacts: Artifacts, one: ProposerMetrics, floor: ProposerMetrics, recall: str) -> Cell:
    if one.name == floor.name:
        return Cell("")
    folder = artifacts.proposer_folder
    delta = recall_difference(folder / one.name, folder / floor.name, artifacts.focus.metrics.config)
    return Cell(NOTHING) if delta is None else difference_cell(recall, delta.value, delta.low, delta.high)


def _health(found: tuple[ProposerMetrics, ...]) -> Iterator[PageBlock]:
    healthy = [(one.name, one.health) for one in found if one.health is not None]
    if not healthy:
        return
    heads = (
        TableHead("Proposer"),
        TableHead("Alignment", "2 unrelated, 0 equal", numeric=True),
        TableHead("Uniformity of users", "0 collapsed", numeric=True),
        TableHead("Uniformity of videos", "0 collapsed", numeric=True),
        TableHead("Epoch", numeric=True),
    )
    rows = tuple(
        TableRow(
            (
                Cell(name),
                *(Cell(number(value, _HEALTH), numeric=True) for value in _overall(health)),
                Cell(count(health.epoch), numeric=True),
            )
        )
        for name, health in healthy
    )
    yield PageTable(
        "Health of the vectors: how near a user's is to those of watched videos, and how far apart all are", heads, rows
    )
    for name, health in healthy:
        yield fold(f"{name}: by decile", _deciles(health))


def _overall(health: Health) -> tuple[float, float, float]:
    return health.alignment, health.uniformity_users, health.uniformity_videos


def _deciles(health: Health) -> PageTable:
    heads = (
        TableHead("Decile"),
        TableHead("Alignment", "by how much a user watched", numeric=True),
        TableHead("Uniformity of videos", "by how many watched them", numeric=True),
    )
    columns = (health.alignment_by_activity, health.uniformity_by_popularity)
    rows = []
    for place in range(max(map(len, columns))):
        cells = (number(column[place], _HEALTH) if place < len(column) else NOTHING for column in columns)
        rows.append(TableRow((Cell(count(place + 1)), *(Cell(cell, numeric=True) for cell in cells))))
    return PageTable("Least active users and least popular videos first", heads, tuple(rows))
