"""What hadolint would say of a Dockerfile, as far as it concerns this one, and what only a look at the repository tells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

_PINNED = re.compile(r"^[\w./:-]+:(?!latest$)[\w.-]+$|@sha256:[0-9a-f]{64}$")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continuation lines joined, such as COPY and what follows it."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        return self.rest.split()


def instructions(text: str) -> list[Instruction]:
    """Return the instructions in order, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [Instruction(line.split()[0].upper(), line.partition(" ")[2].strip()) for line in joined]


def stages(text: str) -> list[list[Instruction]]:
    """Return the instructions before the first FROM, and those of each stage."""
    found = [list[Instruction]()]
    for instruction in instructions(text):
        if instruction.name == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def findings(text: str, root: Path) -> list[str]:
    """Return what is wrong.

    Args:
        text: of the Dockerfile.
        root: the build's context.
    """
    head, *parts = stages(text)
    if not parts:
        return ["no FROM"]
    found = [*_bases(head, parts), *_arguments(head, parts), *_user(parts[-1])]
    for part in parts:
        found += [*_copies(part, root), *_commands(part)]
    return found


def _bases(head: list[Instruction], parts: list[list[Instruction]]) -> Iterator[str]:
    defaults = {one.rest.partition("=")[0]: one.rest.partition("=")[2] for one in head if one.name == "ARG"}
    named = set[str]()
    for first, *_ in parts:
        base, *alias = first.words
        argument = re.fullmatch(r"\$\{(\w+)\}", base)
        if base not in named:
            if argument is None:
                yield f"FROM {base}: the base is no argument"
            elif not _PINNED.search(defaults.get(argument[1], "")):
                yield f"FROM {base}: {defaults.get(argument[1])!r} is not pinned"
        if len(alias) == 2:
            named.add(alias[1])


def _arguments(head: list[Instruction], parts: list[list[Instruction]]) -> Iterator[str]:
    froms = " ".join(part[0].rest for part in parts)
    for place in [head, *parts]:
        for one in place:
            if one.name == "ARG":
                name = one.rest.partition("=")[0]
                used = froms if place is head else " ".join(other.rest for other in place if other is not one)
                if f"${{{name}}}" not in used:
                    yield f"ARG {name} is not used"
            if one.name in ("ARG", "ENV") and re.search(r"PASSWORD|SECRET|TOKEN|AUTH", one.rest, re.IGNORECASE):
                yield f"{one.name} {one.rest.partition('=')[0]}: a secret would stay in the image"


def _user(last: list[Instruction]) -> Iterator[str]:
    users = [one.rest for one in last if one.name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield f"the image runs as {users[-1] if users else 'root'}: USER must name a fixed uid:gid that is not root's"
    after = [one.name for one in last[[one.name for one in last].index("USER") + 1 :]] if users else []
    if {"RUN", "COPY"} & set(after):
        yield "what is built after USER belongs to the user that runs it"
    if not any(one.name == "ENTRYPOINT" and one.rest.startswith("[") for one in last):
        yield "ENTRYPOINT is no list: signals would reach a shell"


def _copies(part: list[Instruction], root: Path) -> Iterator[str]:
    ignored = (root / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for one in part:
        if one.name == "ADD":
            yield f"ADD {one.rest}: use COPY"
        if one.name != "COPY" or "--from=" in one.rest:
            continue
        for source in one.words[:-1]:
            if not (root / source).exists():
                yield f"COPY {source}: there is none"
            if not any(fnmatch(source, line) or PurePosixPath(line) in PurePosixPath(source).parents for line in kept):
                yield f"COPY {source}: .dockerignore leaves it out"


def _commands(part: list[Instruction]) -> Iterator[str]:
    for run in (one.rest for one in part if one.name == "RUN"):
        if "pip install" in run and "--require-hashes" not in run and "--editable ." not in run:
            yield f"RUN {run}: packages without --require-hashes"
        if "pip install" in run and not {"--no-cache-dir", "--no-deps"} <= set(run.split()):
            yield f"RUN {run}: pip keeps a cache or resolves something"
        if "apt-get install" in run and (
            "--no-install-recommends" not in run or "rm -rf /var/lib/apt/lists" not in run
        ):
            yield f"RUN {run}: recommended packages or package lists stay in the image"
        if re.search(r"\bsudo\b|curl .*\| *(ba)?sh", run):
            yield f"RUN {run}: what is fetched is run, or sudo"
