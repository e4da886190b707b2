"""Prefect reads its settings when it is imported."""

from pathlib import Path

from flows import environment

environment.prepare(Path(__file__).resolve().parents[2])
