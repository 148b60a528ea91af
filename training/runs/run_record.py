"""What a run logs to MLflow: numbers, pictures, the model card, held-out losses and where its data came from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from core.registry.tracking.runs import Lineage, Run
from feature_store.archive.facts import GameFact, Quote, Result
from training.evaluation.importance import Importance
from training.evaluation.scores import held_out
from training.evaluation.walk_forward import Forecasts
from training.runs.data_warnings import constant_features
from training.runs.model_card import RunSubject, card_html
from training.runs.pictures import draw_all
from training.runs.provenance import code_version
from training.runs.trained_model import TrainedModel

CARD: Final = "card.html"
HELD_OUT: Final = "held_out.json"
LONGEST_TAG: Final = 1_000
KINDS: Final = {int: "long", float: "double", bool: "boolean", datetime: "datetime"}


def _fact_columns() -> dict[str, str]:
    """The fields of the facts that a dataset is made of, with MLflow's names of their types."""
    return {
        f"{kind}.{name}": next((KINDS[each] for each in _alternatives(hint) if each in KINDS), "string")
        for kind, fact in (("game", GameFact), ("result", Result), ("quote", Quote))
        for name, hint in get_type_hints(fact).items()
    }


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) or (hint,)


FACT_COLUMNS: Final = _fact_columns()


def subject_of(trained: TrainedModel, name: str, known_by: datetime, bundle_sha256: str | None) -> RunSubject:
    """What the run and its card describe; ``bundle_sha256`` is None for an experiment."""
    return RunSubject(
        name=name,
        recipe=trained.recipe,
        dataset=trained.dataset,
        evaluation=trained.evaluation,
        known_by=known_by,
        fingerprint=trained.recipe.features.fingerprint(trained.dataset.league.sport),
        code_version=code_version(),
        bundle_sha256=bundle_sha256,
        warnings=trained.warnings,
    )


def run_of(
    subject: RunSubject,
    blocks: Sequence[Forecasts],
    importance: Importance,
    *,
    experiment: str,
    command: str,
    folder: Path,
    documents: Mapping[str, str],
    tags: Mapping[str, str],
) -> Run:
    """Everything of one run, with its pictures drawn into the folder. ``command`` is what a person typed to get it."""
    pictures = draw_all(blocks, importance, subject.name, folder)
    evaluation = subject.evaluation
    return Run(
        experiment=experiment,
        name=f"{subject.name} until {subject.known_by:%Y-%m-%d}",
        description=_description(subject),
        parameters=subject.recipe.parameters(),
        metrics=evaluation.metrics(),
        curves=evaluation.season_metrics(),
        tags={**_tags(subject, command), **tags},
        lineage=_lineage(subject),
        pictures=pictures,
        documents={CARD: card_html(subject, pictures), HELD_OUT: held_out(blocks).to_json(), **documents},
    )


def _description(subject: RunSubject) -> str:
    lines = [f"**{subject.name}**, known by {subject.known_by:%Y-%m-%d}", ""]
    lines += ["| forecast | games | log loss | model minus this |", "| --- | --- | --- | --- |"]
    for score in subject.evaluation.scores:
        beside = "" if score.name.startswith("model") else f"{score.difference:+.4f} ± {score.difference_error:.4f}"
        lines.append(f"| {score.name} | {score.games} | {score.log_loss:.4f} | {beside} |")
    return "\n".join(lines)


def _tags(subject: RunSubject, command: str) -> dict[str, str]:
    dataset, commit = subject.dataset, subject.code_version.partition("+")[2]
    tags = {
        "league": dataset.league.key,
        "sport": dataset.league.sport,
        "variant": subject.recipe.variant,
        "recipe": subject.recipe.label,
        "features": subject.fingerprint,
        "snapshot_sha256": dataset.snapshot_sha256,
        "trained_until": dataset.known_until.isoformat(),
        "games": str(len(dataset)),
        "code_version": subject.code_version,
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        "basis": dataset.basis,
        "constant_features": " ".join(constant_features(subject.recipe, dataset)) or "none",
        "quality_warnings": str(len(subject.warnings)),
        "quality": "; ".join(subject.warnings)[:LONGEST_TAG] or "nothing to flag",
    }
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _lineage(subject: RunSubject) -> Lineage:
    dataset = subject.dataset
    return Lineage(
        name=f"{dataset.league.key} archive known by {subject.known_by:%Y-%m-%d %H:%M}",
        sha256=dataset.snapshot_sha256,
        source={
            "sport": dataset.league.sport,
            "league": dataset.league.key,
            "known_by": subject.known_by.isoformat(),
        },
        columns=FACT_COLUMNS,
        profile={
            "games": len(dataset),
            "seasons": f"{dataset.seasons.min()} to {dataset.seasons.max()}",
            "results": len(dataset.facts.results),
            "quotes": len(dataset.facts.quotes),
        },
    )
