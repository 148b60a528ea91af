"""Runs as they are written to MLflow and read from it: plain values, without MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Lineage:
    """The data that a run was made of."""

    name: str
    sha256: str
    source: Mapping[str, Any]
    """What to read the same facts by again."""
    columns: Mapping[str, str]
    """MLflow's name of the type, by column."""
    profile: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What a training or an experiment writes to MLflow."""

    experiment: str
    name: str
    description: str
    """Markdown, shown beside the run."""
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    """Metrics by step, one step per season."""
    tags: Mapping[str, str]
    lineage: Lineage
    pictures: Sequence[Path]
    documents: Mapping[str, str]
    """Text artifacts by file name."""


@dataclass(frozen=True)
class RefusedRun:
    """A training or an experiment that was refused, with the reason."""

    experiment: str
    name: str
    description: str
    """Markdown: what was refused, and what to do about it."""
    tags: Mapping[str, str]


@dataclass(frozen=True)
class FinishedRun:
    """A finished run as read from MLflow."""

    run_id: str
    experiment: str
    name: str
    started_at: datetime
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
