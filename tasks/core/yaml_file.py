"""YAML files as people write them: bounded, in UTF-8, every key once, and the line of every key remembered."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tasks.core.errors import ConfigError

Keys = tuple[str | int, ...]
"""Way to a value: keys of mappings and positions in lists."""

LONGEST_BYTES = 1 << 20
DEEPEST = 40
MOST_VALUES = 100_000
"""With anchors expanded: a kilobyte of aliases can stand for billions of values."""

_TEXT, _MERGE, _DATE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "merge", "timestamp"))
_MERGE_MARK = re.compile(r"^(<<<<<<<|=======|>>>>>>>)", re.MULTILINE)
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class Place:
    """Where in a file something stands; a message about it begins with `str(place)`.

    Attributes:
        file: its name.
        keys: that lead there, as the file has them.
        lines: way to a value -> its line, from 1.
    """

    file: str
    keys: Keys = ()
    lines: Mapping[Keys, int] = field(default_factory=dict, repr=False)

    def below(self, *keys: str | int) -> "Place":
        """Return the place that further keys lead to."""
        return replace(self, keys=(*self.keys, *keys))

    @property
    def line(self) -> int:
        """The line of the value, or of what it is missing from; 0 where no line is known."""
        return next(
            (self.lines[self.keys[:n]] for n in range(len(self.keys), -1, -1) if self.keys[:n] in self.lines), 0
        )

    @property
    def dotted(self) -> str:
        """The keys as people write them."""
        return ".".join(key if isinstance(key, str) and key.isprintable() else repr(key) for key in self.keys)

    def __str__(self) -> str:
        start = f"{self.file}:{self.line}" if self.line else self.file
        return f"{start}: {self.dotted}: " if self.keys else f"{start}: "


@dataclass(frozen=True)
class YamlFile:
    """What a file holds, and where.

    Attributes:
        value: its mapping.
        place: of its top, with the lines of all below.
    """

    value: dict[str, Any]
    place: Place


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: one line per problem: no such file, no UTF-8, no YAML, too large, a key that stands twice or is no text, a
            date without quotes (DVC, which reads params.yaml too, knows none).
    """
    text = _text(path)
    loader = _Loader(text)
    try:
        _refuse_deep(path.name, text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            found = "nothing" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else "one value"
            raise ConfigError(f"{path.name} must hold a mapping of keys, got {found}")
        lines: dict[Keys, int] = {}
        problems = list(_problems(node, Place(path.name, lines=lines), lines, _Budget(path.name)))
        if problems:
            raise ConfigError("\n".join(dict.fromkeys(problems)))
        value: dict[str, Any] = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(_explain(path.name, text, error)) from error
    finally:
        loader.dispose()
    return YamlFile(value, Place(path.name, lines=lines))


@dataclass(frozen=True)
class MergeMark:
    """What git writes where a merge waits for a person.

    Attributes:
        line: from 1.
        text: the whole line.
    """

    line: int
    text: str


def merge_mark(text: str) -> MergeMark | None:
    """Return the first mark of an unfinished merge in a text, YAML or not."""
    found = _MERGE_MARK.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start())
    return MergeMark(line + 1, text[found.start() :].splitlines()[0])


class _Loader(yaml.CSafeLoader):
    """Plain data only, by the parser that DVC uses; unlike YAML 1.1, and like DVC, `1e-3` is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; it has to be a file")
        with path.open("rb") as stream:
            content = stream.read(LONGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: run dwell in the project's root folder") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): mend the file or its permissions") from error
    if len(content) > LONGEST_BYTES:
        raise ConfigError(f"{path} is larger than {LONGEST_BYTES} bytes: that is no configuration file")
    if (encoding := _OTHER_ENCODINGS.get(content[:2])) is not None:
        raise ConfigError(f"{path} is written in {encoding}: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path.name}:{line}: the byte 0x{content[error.start]:02x} is no UTF-8: save the file as UTF-8"
        ) from error
    if mark := merge_mark(text):
        raise ConfigError(f"{path.name}:{mark.line}: a merge marker of git ({mark.text[:7]}): settle the merge first")
    return text


def _refuse_deep(file: str, text: str) -> None:
    """Refuse what the composer, which recurses, could not stand."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            mark: Any = event.start_mark
            raise ConfigError(f"{file}:{mark.line + 1}: nested deeper than {DEEPEST} levels")


class _Budget:
    """Counts values, those that aliases repeat included."""

    def __init__(self, file: str) -> None:
        self.file, self.left = file, MOST_VALUES

    def spend(self, node: yaml.Node, depth: int) -> None:
        self.left -= 1
        if self.left < 0 or depth > DEEPEST:
            raise ConfigError(
                f"{self.file}:{node.start_mark.line + 1}: anchors and aliases expand to more than {MOST_VALUES} values or "
                f"{DEEPEST} levels: write the values out"
            )


def _problems(node: yaml.Node, place: Place, lines: dict[Keys, int], budget: _Budget) -> Iterator[str]:
    """Yield what is wrong below a node, and fill `lines`."""
    budget.spend(node, len(place.keys))
    lines.setdefault(place.keys, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _problems(item, place.below(position), lines, budget)
    elif isinstance(node, yaml.MappingNode):
        yield from _problems_of_mapping(node, place, lines, budget)
    elif node.tag == _DATE:
        yield f'{place}{node.value} without quotes is a date that DVC cannot read: write "{node.value}"'


def _problems_of_mapping(
    node: yaml.MappingNode, place: Place, lines: dict[Keys, int], budget: _Budget
) -> Iterator[str]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else "[...]"
        if name in seen:
            yield f"{place.file}:{line}: {place.below(name).dotted}: stands twice, first in line {seen[name]}: keep one"
            continue
        seen[name] = line
        if key.tag == _MERGE:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _problems(merged, place, lines, budget)
        elif key.tag != _TEXT:
            yield f'{place.file}:{line}: {place.below(name).dotted}: a key has to be text: write "{name}"'
        else:
            lines[*place.keys, name] = line
            yield from _problems(value, place.below(name), lines, budget)


def _explain(file: str, text: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = " ".join(part for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
    if mark is None:
        return f"{file} is not valid YAML: {' '.join(str(error).split())}"
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    indent = line[: len(line) - len(line.lstrip())]
    hint = "; the line begins with a tab, and YAML is indented with spaces" if "\t" in indent else ""
    return f"{file}:{mark.line + 1}: not valid YAML: {what}{hint}"
