"""A document reads back as what was written, and a file of another shape is refused by its place."""

from pathlib import Path

import pytest

from tasks.core.document import Document, MissingArtifact, read_document, read_optional, read_rows
from tasks.core.errors import ContractError
from tasks.core.files import write_json, write_text


class Part(Document):
    """A number with its count."""

    value: float | None
    rows: int


class Whole(Document):
    """Parts by name."""

    parts: dict[str, Part]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    whole = Whole(parts={"a": Part(value=0.1, rows=3), "b": Part(value=None, rows=0)})
    assert read_document(whole.write(tmp_path / "whole.json"), Whole, "gate") == whole
    several = write_json(tmp_path / "several.json", [part.as_json() for part in whole.parts.values()])
    assert read_document(several, tuple[Part, ...], "gate") == tuple(whole.parts.values())


def test_lines_are_read_as_what_they_hold(tmp_path: Path) -> None:
    path = write_text(tmp_path / "parts.csv", "value,rows\n0.25,3\n")
    assert read_rows(path, Part, "gate") == (Part(value=0.25, rows=3),)
    with pytest.raises(ContractError, match=r"parts\.csv .* gate .* rows: .*unable to parse"):
        read_rows(write_text(path, "value,rows\n0.25,many\n"), Part, "gate")


def test_what_is_missing_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact, match="does not exist: run the stage gate first"):
        read_document(tmp_path / "whole.json", Whole, "gate")
    assert read_optional(tmp_path / "whole.json", Whole, "gate") is None


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"parts": {"a": {"value": 0.1, "rows": "many"}}}, r"parts\.a\.rows"),
        ({"parts": {"a": {"value": 0.1}}}, r"parts\.a\.rows: Field required"),
        ({"parts": {}, "more": 1}, "more: Extra inputs"),
        ([], "the file"),
    ],
)
def test_another_shape_is_refused_by_its_place(tmp_path: Path, content: object, place: str) -> None:
    path = write_json(tmp_path / "whole.json", content)
    with pytest.raises(
        ContractError, match=rf"whole\.json is not what the stage gate writes today: {place}.*use the version that made"
    ):
        read_document(path, Whole, "gate")
