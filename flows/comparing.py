"""Commands for whoever wants to know which model is better: two against each other, all of them night by night."""

from pathlib import Path
from typing import Annotated

import typer

from flows.options import Source, nights_between
from tasks.core.files import write_text
from tasks.core.layout import Workspace

Nights = Annotated[
    str | None,
    typer.Option("--nights", help="Judge days FROM..TO, or one. Default: the last that both were judged on."),
]
Html = Annotated[Path | None, typer.Option("--html", help="Also write a page to this file; it needs no network.")]


def compare(
    candidate: Annotated[
        str,
        typer.Argument(help="A recipe, ensemble or baseline, champion, a registry entry, or a night: its champion."),
    ],
    reference: Annotated[str, typer.Argument(help="The model it is compared with, named likewise.")],
    nights: Nights = None,
    source: Source = None,
    html: Html = None,
) -> None:
    """Compare two models as the gate does: paired differences with intervals, adjusted for how many are shown, by segment.

    Of two nights also what changed between their headlines, taken apart into data, features and model.
    """
    from tasks.compare.judged import JudgedNights
    from tasks.compare.models import change_named, compare_named
    from tasks.compare.page import comparison_html
    from tasks.compare.words import change_lines, lines

    judged = JudgedNights.of(Workspace(), source)
    found, left_out = compare_named((candidate, reference), judged, nights_between(nights))
    change = change_named((candidate, reference), judged)
    for line in (*lines(found, left_out), *change_lines(change)):
        typer.echo(line)
    if html is not None:
        typer.echo(f"page: {write_text(html, comparison_html(found, left_out, change))}")


def leaderboard(
    nights: Annotated[
        str | None, typer.Option("--nights", help="Judge days FROM..TO, or one. Default: the last ones at hand.")
    ] = None,
    last: Annotated[int, typer.Option(help="How many nights, where none are named.", min=1)] = 7,
    against: Annotated[str, typer.Option(help="The model that differences are taken to.")] = "champion",
    source: Source = None,
    html: Html = None,
) -> None:
    """Show every model that nights and trials judged, night by night, and its paired difference to one of them."""
    from tasks.compare.judged import JudgedNights
    from tasks.compare.leaderboard import leaderboard as measure
    from tasks.compare.page import board_html
    from tasks.compare.words import board_lines

    board = measure(JudgedNights.of(Workspace(), source), nights_between(nights), last, against)
    for line in board_lines(board):
        typer.echo(line)
    if html is not None:
        typer.echo(f"page: {write_text(html, board_html(board))}")


COMMANDS = (compare, leaderboard)
"""In the order of the help."""
