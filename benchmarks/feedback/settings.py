"""The settings of this benchmark: a protocol file, and what differs from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from tasks.core.settings import Block
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import read_yaml
from tasks.protocol.config import Protocol, load_protocol

HERE = Path(__file__).resolve().parent


class Setting(Block):
    """One set of days on which recipes are compared."""

    title: str
    """heading of its results"""
    protocol: str
    """file beside this one"""
    changes: dict[str, Any] = Field(default_factory=dict)
    """merged into the protocol, key by key"""

    def load(self, seeds: Sequence[int]) -> Protocol:
        """Return the protocol with the changes, fitted with these seeds.

        Raises:
            ConfigError: if the result is no valid protocol.
        """
        return load_protocol(HERE / self.protocol, self.changes, {"params": {"training": {"seeds": list(seeds)}}})


class _Settings(Block):
    settings: dict[str, Setting]


def load_settings() -> dict[str, Setting]:
    """Return the settings by name, in the order of `settings.yaml`."""
    file = read_yaml(HERE / "settings.yaml")
    return parse(_Settings, file.value, file.place).settings
