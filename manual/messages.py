"""Every message that dwell refuses something with, read from the code that raises it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from manual.markdown import table
from manual.places import REPOSITORY
from tasks.core import errors

_PACKAGES = ("flows", "tasks", "models")
_FILLED = "…"
_KINDS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.DwellError)
}


@dataclass(frozen=True)
class Message:
    """One message in the code.

    Attributes:
        kind: the error that carries it.
        template: what it says, an ellipsis for what is filled in.
        path: of the file that raises it, in the repository.
    """

    kind: str
    template: str
    path: Path


@cache
def messages() -> tuple[Message, ...]:
    """Return the messages of all errors that are meant for a person, those put together elsewhere left out."""
    files = (path for package in _PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py")))
    return tuple(message for path in files for message in _raised(path))


def messages_page() -> str:
    """Return the page of all messages, by the error that carries them."""
    lines = [
        "# Every message",
        "",
        "Generated from the code that raises them; `…` stands for what is filled in. A command that ends with one prints it after "
        "`error: ` and exits with status 2, or with 1 where the machine failed and trying again may help. The commonest, and what "
        "to do: [questions](docs/faq.md).",
        "",
    ]
    for name, kind in _KINDS.items():
        if found := sorted(
            {(message.template, str(message.path.parent)) for message in messages() if message.kind == name}
        ):
            lines += [f"## {name}", "", (kind.__doc__ or "").strip(), ""]
            lines += table(("message", "raised in"), [(f"`` {text} ``", f"`{folder}`") for text, folder in found])
    return "\n".join(lines) + "\n"


def _raised(path: Path) -> Iterator[Message]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=kind), args=[text, *_]) if (
                kind in _KINDS and (said := _template(text)) != _FILLED
            ):
                yield Message(kind, said, path.relative_to(REPOSITORY))


def _template(text: ast.expr) -> str:
    """Return the fixed pieces of a message, an ellipsis for every piece that is filled in."""
    match text:
        case ast.Constant(value=str(fixed)):
            return fixed
        case ast.JoinedStr(values=values):
            return "".join(map(_template, values))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _template(left) + _template(right)
    return _FILLED
