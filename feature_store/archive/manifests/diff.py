"""What changed between the data of two trainings: season by season, and game by game where both can be read again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy.engine import Engine

from core.betting.leagues import League, Leagues
from core.clock import midnight, parse_date
from core.errors import ResourceNotFoundError, ValidationError
from core.registry import deployment
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.archive.manifests.contents import (
    DataManifest,
    ManifestPart,
    StoredManifest,
    find_manifest,
    manifest_of,
)

SHORTEST_PREFIX = 6
CLOCKS = ("known_at", "quoted_at")


@dataclass(frozen=True)
class TrainingData:
    """One side of a comparison; ``facts`` is None where the archive no longer gives what the run was made of."""

    name: str
    league: League
    manifest: DataManifest
    facts: FactBatch | None


@dataclass(frozen=True)
class SeasonChange:
    """One kind of facts of one season that differs: how many there were and are."""

    season: int
    kind: str
    before: int
    after: int


@dataclass(frozen=True)
class GameChange:
    """One game that differs, and each value that does: old -> new."""

    game_id: str
    change: Literal["added", "removed", "changed"]
    meeting: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class TrainingDataDiff:
    """What differs; ``games`` is None where one of the two can only be compared by its manifest."""

    before: TrainingData
    after: TrainingData
    seasons: list[SeasonChange]
    games: list[GameChange] | None

    def count(self, change: str) -> int:
        """How many games were added, removed or changed."""
        return sum(game.change == change for game in self.games or ())


def find_training_data(engine: Engine, leagues: Leagues, name: str, league: str | None = None) -> TrainingData:
    """The data of the name: a SHA-256 or its beginning, a model's version (``NFL-results:3``), or a date.

    For a date it is what was known of the league by the end of that day. Raises ValidationError for a date without a
    league, ResourceNotFoundError with the nearest names for what is not there.
    """
    if ":" in name:
        return _of_version(engine, leagues, name)
    if len(name) >= SHORTEST_PREFIX and all(sign in "0123456789abcdef" for sign in name.lower()):
        return _read_again(engine, leagues, name, find_manifest(engine, name))
    day = parse_date(name, field="snapshot")
    if league is None:
        raise ValidationError(f"--league: required, because {name} is a date.", field="league")
    of_league = leagues.get(league)
    facts = archive.load(engine, of_league, midnight(day + timedelta(days=1)))
    return TrainingData(name, of_league, manifest_of(facts), facts)


def _of_version(engine: Engine, leagues: Leagues, name: str) -> TrainingData:
    model, _, number = name.rpartition(":")
    if not number.isdecimal():
        msg = f"snapshot: {name!r}: a model's version is written like NFL-results:3."
        raise ValidationError(msg, field="snapshot")
    version = deployment.version(engine, model, int(number))
    try:
        stored = find_manifest(engine, version.snapshot_sha256)
    except ResourceNotFoundError:
        bare = DataManifest(version.snapshot_sha256, ())
        stored = StoredManifest(bare, version.sport, version.league, version.trained_until, version.registered_at)
    return _read_again(engine, leagues, name, stored)


def _read_again(engine: Engine, leagues: Leagues, name: str, stored: StoredManifest) -> TrainingData:
    """The data with its facts, if the archive still gives facts of the same SHA-256."""
    league = leagues.get(stored.league)
    facts = archive.load(engine, league, stored.known_by, recorded_by=stored.recorded_at)
    same = facts.sha256() == stored.manifest.sha256
    return TrainingData(name, league, manifest_of(facts) if same else stored.manifest, facts if same else None)


def compare(before: TrainingData, after: TrainingData) -> TrainingDataDiff:
    """What differs between the two. Raises ValidationError when they are of different leagues."""
    if before.league.key != after.league.key:
        msg = f"{before.name} is data of {before.league.key}, {after.name} data of {after.league.key}."
        raise ValidationError(msg, field="snapshot")
    both = before.facts is not None and after.facts is not None
    games = list(_games(before.facts, after.facts)) if before.facts is not None and after.facts is not None else None
    seasons = list(_seasons(before.manifest, after.manifest)) if both or _have_parts(before, after) else []
    return TrainingDataDiff(before, after, seasons, games)


def _have_parts(*sides: TrainingData) -> bool:
    """Whether every manifest lists its seasons; that of a model trained before manifests were stored does not."""
    return all(side.manifest.parts for side in sides)


def _seasons(before: DataManifest, after: DataManifest) -> Iterator[SeasonChange]:
    old, new = ({(part.season, part.kind): part for part in manifest.parts} for manifest in (before, after))
    for season, kind in sorted(old.keys() | new.keys()):
        none = ManifestPart(season, kind, 0, "")
        was, became = old.get((season, kind), none), new.get((season, kind), none)
        if was != became:
            yield SeasonChange(season, kind, was.facts, became.facts)


def _games(before: FactBatch, after: FactBatch) -> Iterator[GameChange]:
    """Every game that differs, in order of its start."""
    old, new = _latest_values(before), _latest_values(after)
    for _, game_id in sorted(
        (str((new.get(game_id) or old[game_id]).get("start_at")), game_id) for game_id in old | new
    ):
        was, became = old.get(game_id), new.get(game_id)
        if was == became:
            continue
        meeting = _meeting(became or was or {})
        if was is None or became is None:
            yield GameChange(game_id, "added" if was is None else "removed", meeting, ())
        else:
            yield GameChange(game_id, "changed", meeting, tuple(_values(was, became)))


def _latest_values(facts: FactBatch) -> dict[str, dict[str, Any]]:
    """By game, the latest value of each field of its facts, and all versions."""
    values: dict[str, dict[str, Any]] = defaultdict(lambda: {"versions": []})
    ordered: list[GameFact | Result | Quote] = [*facts.games, *facts.results, *facts.quotes]
    for fact in sorted(ordered, key=lambda fact: fact.known_at):
        game = values[fact.game_id]
        prefix = f"{fact.book} {fact.moment} " if isinstance(fact, Quote) else ""
        content = {name: value for name, value in fact._asdict().items() if name not in (*CLOCKS, "game_id", "book")}
        game |= {f"{prefix}{name}": value for name, value in content.items() if name != "moment"}
        game["versions"].append(fact)
    for game in values.values():
        game["versions"] = frozenset(game["versions"])
    return dict(values)


def _values(was: Mapping[str, Any], became: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in {**was, **became} if name != "versions" and was.get(name) != became.get(name)]
    for name in names:
        yield f"{name}: {_shown(was.get(name))} -> {_shown(became.get(name))}"
    if not names:
        yield f"earlier versions or moments: {len(was['versions'])} -> {len(became['versions'])} facts"


def _meeting(game: Mapping[str, Any]) -> str:
    if "home_team" not in game:
        return "a game that is not in the archive"
    return f"{game['home_team']} v {game['away_team']}, {game['start_at']:%Y-%m-%d}"


def _shown(value: object) -> str:
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
