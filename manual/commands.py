"""Every command with its arguments and options, as the command line itself describes them."""

from collections.abc import Iterator
from typing import Any

import typer

from flows.cli import app
from manual.markdown import table


def commands_page() -> str:
    """Return the page of all `dwell` commands, in the order of `dwell --help`."""
    group: Any = typer.main.get_command(app)
    top = group.context_class(group, info_name="dwell")
    lines = [
        "# Every command",
        "",
        "Generated from the command line itself; `dwell COMMAND --help` prints the same.",
        "",
    ]
    lines += _options(group, top)
    for name, command in group.commands.items():
        lines += _command(command, command.context_class(command, info_name=name, parent=top))
    return "\n".join(lines) + "\n"


def _command(command: Any, context: Any) -> Iterator[str]:
    """Yield the section of one command."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"## {context.command_path}", "", command.help or "", "", "```text", usage, "```", "")
    yield from _options(command, context)


def _options(command: Any, context: Any) -> Iterator[str]:
    records = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    rows = [(f"`{names}`", meaning) for names, meaning in records if "--help" not in names]
    if rows:
        yield from table(("argument or option", "meaning"), rows)
