"""What a run in MLflow is made of, and what one tells when it is read: plain values, without MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Lineage:
    """The data a run was made of."""

    name: str
    sha256: str
    source: Mapping[str, Any]
    """How the very facts can be read again."""
    columns: Mapping[str, str]
    """Type by name, in MLflow's words."""
    profile: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What a training or an experiment leaves in MLflow."""

    experiment: str
    name: str
    description: str
    """Markdown, shown beside the run."""
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    """Metrics with steps, a season each."""
    tags: Mapping[str, str]
    lineage: Lineage
    pictures: Sequence[Path]
    documents: Mapping[str, str]
    """Text artifacts by file name."""


@dataclass(frozen=True)
class Refused:
    """A training or an experiment that came to nothing, for a reason."""

    experiment: str
    name: str
    description: str
    """Markdown: what was refused, and what to do about it."""
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Noted:
    """A run as MLflow tells of it."""

    run_id: str
    experiment: str
    name: str
    started_at: datetime
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
