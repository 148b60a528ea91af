"""The offline side: the rows of past games as Parquet, one file per league and calendar year of the start.

Only what is new is computed: the rows of games that changed, and of all games that started after the first moment at
which something new was known. A watermark beside the files holds up to where in the archive they go, so every machine
may keep its own. What a process leaves that dies between two files is repaired by the next run.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv
from sqlalchemy.engine import Connection, Engine

from core.arrays import FloatArray
from core.betting.leagues import League
from core.database.transactions import reading
from core.errors import ValidationError
from core.files.atomic import atomic_file, write_file
from feature_store.archive import store as archive
from feature_store.archive.change_log import first_start_affected, newest_revision
from feature_store.archive.game_links import links_of
from feature_store.archive.queries import first_and_last_start
from feature_store.archive.sources.terms import unpublished_sources
from feature_store.features.sets import EVERYTHING
from feature_store.history.fact_columns import Indices, columns_of
from feature_store.rows import checkpoints
from feature_store.rows.checkpoints import CheckpointKey
from feature_store.rows.replay import FeatureTable, past_table, table_as_of

WATERMARK_FILE: Final = "materialized.json"
WRITERS: Final[dict[str, Callable[[pa.Table, Path], Any]]] = {".parquet": pq.write_table, ".csv": csv.write_csv}


@dataclass(frozen=True)
class Materialized:
    """What one run wrote: the rows computed, all rows that the league now has, and the folder."""

    league: str
    computed: int
    rows: int
    folder: Path


@dataclass(frozen=True)
class _Watermark:
    """Up to where the files go: revision of the archive, moment of the run, the features' fingerprint, the links."""

    revision: int
    through: datetime
    version: str
    links: str
    """SHA-256 of the links in force: another one moves rows between ids and starts."""


@dataclass(frozen=True)
class _TimeSpan:
    """A span of time up to the turn of a year, None where it has no end, and a checkpoint that settled before it."""

    since: datetime | None
    until: datetime | None
    checkpoint: CheckpointKey | None


def materialize(engine: Engine, league: League, folder: Path, now: datetime) -> Materialized:
    """Bring the league's files up to what is known now. Scores stand beside the rows as labels, not as features.

    Two at once take turns: one that began earlier must not put its older rows under the other's newer watermark.
    """
    with _lock_files(folder, league):
        return _materialize_league(engine, league, folder / league.key, now)


def _materialize_league(engine: Engine, league: League, own: Path, now: datetime) -> Materialized:
    version = EVERYTHING.fingerprint(league.sport)
    watermark = _read_watermark(own)
    with reading(engine) as connection:
        revision = newest_revision(connection, league.sport, league.key)
        links = _links(connection, league)
        if watermark is not None and (
            watermark.version != version or watermark.through > now or watermark.links != links
        ):
            watermark = None
        first = (
            None
            if watermark is None
            else first_start_affected(connection, league, watermark.revision, watermark.through)
        )
    computed = 0
    if watermark is None or first is not None:
        for span in _spans(engine, league, first):
            rows = _rows_of(engine, league, span, now)
            _replace_rows(own, rows, span)
            computed += rows.num_rows
    _write_watermark(own, _Watermark(revision, now, version, links))
    return Materialized(league.key, computed, _count(own), own)


def read_rows(folder: Path, league: League) -> pa.Table:
    """Every materialized row of the league, in order of start."""
    files = _files(folder / league.key)
    return pa.concat_tables([pq.read_table(path) for path in files]) if files else _empty()


def export_rows(
    engine: Engine,
    league: League,
    output: Path,
    known_by: datetime,
    as_of: datetime | None,
    *,
    for_others: bool = False,
) -> int:
    """Write the rows of all past games, or of the games to come as of a moment; returns how many.

    Only facts known by ``known_by`` are read, for the rows and for the scores beside them: the same two moments give
    the same file again, whatever is corrected later. Games to come as of a moment in the past are those that started
    after it. ``for_others`` leaves out what sources do not allow to be given to third parties. Raises ValidationError
    for a file that is neither .parquet nor .csv.
    """
    if output.suffix not in WRITERS:
        msg = f"output: expected a file ending in {' or '.join(WRITERS)}, got {output.name!r}."
        raise ValidationError(msg, field="output")
    left_out = unpublished_sources(engine) if for_others else ()
    facts = columns_of(archive.load(engine, league, known_by, without_sources=left_out))
    rows = _arrow(
        table_as_of(league, facts, EVERYTHING, as_of) if as_of is not None else past_table(league, facts, EVERYTHING)
    )
    WRITERS[output.suffix](rows, output)
    return int(rows.num_rows)


@contextmanager
def _lock_files(folder: Path, league: League) -> Iterator[None]:
    """Wait until no other process on this machine writes the league's files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{league.key}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _links(connection: Connection, league: League) -> str:
    links = links_of(connection, league.sport, league.key)
    return sha256(json.dumps(sorted(links.items())).encode()).hexdigest()


def _spans(engine: Engine, league: League, first: datetime | None) -> list[_TimeSpan]:
    """The time from ``first`` on, or all of it, cut at the turns of years at which there is a later checkpoint.

    So a million rows are never in memory together; without checkpoints there is one span.
    """
    with reading(engine) as connection:
        earliest, newest = first_and_last_start(connection, league)
        built = checkpoints.built_revision(connection, league)
    valid = checkpoints.valid_checkpoints(engine, league, built)
    begins: list[tuple[datetime | None, CheckpointKey | None]] = [
        (first, None if first is None else valid.latest(settled_by=first))
    ]
    if earliest is not None and newest is not None:
        for year in range((first or earliest).year + 1, newest.year + 1):
            turn = datetime(year, 1, 1, tzinfo=UTC)
            if (checkpoint := valid.latest(settled_by=turn)) != begins[-1][1]:
                begins.append((turn, checkpoint))
    ends = [begin for begin, _ in begins[1:]]
    return [_TimeSpan(begin, end, checkpoint) for (begin, checkpoint), end in zip(begins, [*ends, None], strict=True)]


def _rows_of(engine: Engine, league: League, span: _TimeSpan, now: datetime) -> pa.Table:
    base = checkpoints.load_checkpoint(engine, league, span.checkpoint)
    facts = checkpoints.facts_after(engine, league, base, until=span.until, known_by=now)
    columns = columns_of(facts)
    return _arrow(past_table(league, columns, EVERYTHING, since=span.since, until=span.until, base=base))


def _arrow(rows: FeatureTable) -> pa.Table:
    """The rows with what identifies their games, the features by name, and the final scores."""
    games = [rows.facts.versions[place] for place in rows.version.tolist()]
    place = {game_id: index for index, game_id in enumerate(rows.facts.game_ids)}
    results = rows.facts.results
    latest = np.full(len(place), -1, dtype=np.int64)
    latest[results.game] = np.arange(len(results.game))
    own = latest[[place[game.game_id] for game in games]] if games else np.empty(0, dtype=np.int64)
    moments = pa.timestamp("us", tz="UTC")
    columns: dict[str, Any] = {
        "game_id": pa.array([game.game_id for game in games], pa.string()),
        "as_of": pa.array([datetime.fromtimestamp(at, UTC) for at in rows.at.tolist()], moments),
        "season": pa.array([game.season for game in games], pa.int32()),
        "home_team": pa.array([game.home_team for game in games], pa.string()),
        "away_team": pa.array([game.away_team for game in games], pa.string()),
        **{name: pa.array(rows.values[:, at], pa.float64()) for at, name in enumerate(EVERYTHING.names)},
        "home_score": _labels(results.home, own),
        "away_score": _labels(results.away, own),
    }
    return pa.table(columns)


def _labels(scores: FloatArray, place: Indices) -> pa.Array:
    """The scores at the places; null at place -1, and where a score was taken back."""
    there = place >= 0
    labels = np.full(len(place), np.nan)
    labels[there] = scores[place[there]]
    return pa.array(labels, pa.float64(), from_pandas=True)


def _empty() -> pa.Table:
    names = ("game_id", "as_of", "season", "home_team", "away_team", *EVERYTHING.names, "home_score", "away_score")
    return pa.table({name: pa.array([], pa.float64()) for name in names})


def _replace_rows(own: Path, rows: pa.Table, span: _TimeSpan) -> None:
    """Replace all rows that start in the span; each file changes in one step."""
    own.mkdir(parents=True, exist_ok=True)
    since, until = span.since, span.until
    by_year = dict(_by_year(rows))
    for path in _files(own):
        year = int(path.stem)
        if until is not None and year >= until.year:
            continue
        if since is None or year > since.year:
            if year not in by_year:
                path.unlink()
        elif year == since.year:
            kept = pq.read_table(path)
            kept = kept.filter(pc.less(kept["as_of"], pa.scalar(since, kept["as_of"].type)))
            by_year[year] = pa.concat_tables([kept, by_year[year]]) if year in by_year else kept
    for year, part_of_year in by_year.items():
        with atomic_file(own / f"{year}.parquet", durable=False) as file:
            pq.write_table(part_of_year, file, compression="zstd")


def _by_year(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    years = pc.year(rows["as_of"])
    for year in pc.unique(years).to_pylist():
        yield year, rows.filter(pc.equal(years, year))


def _files(own: Path) -> list[Path]:
    return sorted(own.glob("[0-9]*.parquet"), key=lambda path: int(path.stem))


def _count(own: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in _files(own))


def _read_watermark(own: Path) -> _Watermark | None:
    """None where there are no files, or none to continue from."""
    try:
        content = json.loads((own / WATERMARK_FILE).read_text())
        through = datetime.fromisoformat(content["through"])
        return _Watermark(content["revision"], through, content["version"], content["links"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        shutil.rmtree(own)
        return None


def _write_watermark(own: Path, watermark: _Watermark) -> None:
    own.mkdir(parents=True, exist_ok=True)
    content = asdict(watermark) | {"through": watermark.through.isoformat()}
    write_file(own / WATERMARK_FILE, json.dumps(content).encode(), durable=False)
