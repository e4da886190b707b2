"""What the documents print as configuration can be read as such."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.config import Params
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import Place

REPOSITORY = Path(__file__).resolve().parents[1]


def snippets() -> list[Any]:
    found = []
    for path in sorted([REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("*/README.md")]):
        for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)):
            found.append(pytest.param(text, id=f"{path.relative_to(REPOSITORY)}-{number}"))
    return found


def laid_over(base: Any, change: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    return base | {key: laid_over(base.get(key), value) for key, value in change.items()}


@pytest.mark.parametrize("text", snippets())
def test_a_snippet_goes_into_params_yaml(text: str) -> None:
    shipped = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    place = Place("params.yaml")
    parse(Params, laid_over(shipped, yaml.safe_load(text)), place).check(place)
