"""The offline side: the rows of past games as Parquet, one file per league and calendar year of the start.

Only what is new is computed: the rows of games that changed, and of all games that started after the first moment at
which something new was known. The files say themselves up to where in the archive they go, so every machine may keep
its own, and a process that dies between two files leaves nothing that the next run does not put right.
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
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.engine import Connection, Engine

from core.atomic_file import atomic_file, write_file
from core.betting.leagues import League
from core.betting.odds import FloatArray
from core.database import reading
from core.errors import ValidationError
from feature_store import tables
from feature_store.archive import store as archive
from feature_store.archive.game_links import links_of
from feature_store.features.sets import EVERYTHING
from feature_store.history.fact_columns import Indices, columns_of
from feature_store.rows import checkpoints
from feature_store.rows.checkpoints import Step
from feature_store.rows.replay import Table, past_table, table_as_of

MARK: Final = "materialized.json"
WRITERS: Final[dict[str, Callable[[pa.Table, Path], Any]]] = {".parquet": pq.write_table, ".csv": csv.write_csv}


@dataclass(frozen=True)
class Materialized:
    """What one run wrote: rows computed, of which the league now has so many, and the folder."""

    league: str
    computed: int
    rows: int
    folder: Path


@dataclass(frozen=True)
class _Mark:
    """Up to where the files go: revision of the archive, moment of the run, the features' fingerprint, the links."""

    revision: int
    through: datetime
    version: str
    links: str
    """SHA-256 of the links that stood: another one moves rows between ids and starts."""


@dataclass(frozen=True)
class _Part:
    """A stretch of time up to the turn of a year, None where it has no end, and the step that had settled before it."""

    since: datetime | None
    until: datetime | None
    step: Step | None


def materialize(engine: Engine, league: League, folder: Path, now: datetime) -> Materialized:
    """Bring the league's files up to what is known now. Scores stand beside the rows as labels, not as features.

    Two at once take turns: one that began earlier must not put its older rows under the other's newer mark.
    """
    with _turn(folder, league):
        return _materialized(engine, league, folder / league.key, now)


def _materialized(engine: Engine, league: League, own: Path, now: datetime) -> Materialized:
    version = EVERYTHING.fingerprint(league.sport)
    mark = _read_mark(own)
    with reading(engine) as connection:
        revision = archive.newest_revision(connection, league.sport, league.key)
        links = _links(connection, league)
        if mark is not None and (mark.version != version or mark.through > now or mark.links != links):
            mark = None
        first = _first_change(connection, league, mark)
    computed = 0
    if mark is None or first is not None:
        for part in _parts(engine, league, first):
            rows = _rows_of(engine, league, part, now)
            _replace(own, rows, part)
            computed += rows.num_rows
    _write_mark(own, _Mark(revision, now, version, links))
    return Materialized(league.key, computed, _count(own), own)


def read_rows(folder: Path, league: League) -> pa.Table:
    """Every materialized row of the league, in order of start."""
    files = _files(folder / league.key)
    return pa.concat_tables([pq.read_table(path) for path in files]) if files else _empty()


def export_rows(engine: Engine, league: League, output: Path, known_by: datetime, as_of: datetime | None) -> int:
    """Write the rows of all past games, or of the games to come as of a moment; returns how many.

    Only facts known by ``known_by`` are read, for the rows and for the scores beside them: the same two moments give
    the same file again, whatever is corrected later. Games to come as of a moment in the past are those that started
    after it. Raises ValidationError for a file that is neither .parquet nor .csv.
    """
    if output.suffix not in WRITERS:
        msg = f"output: expected a file ending in {' or '.join(WRITERS)}, got {output.name!r}."
        raise ValidationError(msg, field="output")
    facts = columns_of(archive.load(engine, league, known_by))
    rows = _arrow(
        table_as_of(league, facts, EVERYTHING, as_of) if as_of is not None else past_table(league, facts, EVERYTHING)
    )
    WRITERS[output.suffix](rows, output)
    return int(rows.num_rows)


@contextmanager
def _turn(folder: Path, league: League) -> Iterator[None]:
    """Waits until nobody else on this machine writes the league's files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{league.key}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _first_change(connection: Connection, league: League, mark: _Mark | None) -> datetime | None:
    """The start of the first game whose row may differ from the one in the files; None if there is no such game.

    A game changes its own row, and the rows of games that start after something new was known of it and its result.
    """
    if mark is None:
        return None
    changes, games, results = tables.changes.c, tables.games.c, tables.results.c
    new = (
        sa.select(changes.game_id, sa.func.min(changes.known_from).label("known_from"))
        .where(changes.sport == league.sport, changes.league == league.key)
        .where((changes.revision > mark.revision) | (changes.known_until > mark.through))
        .group_by(changes.game_id)
        .subquery()
    )
    ended = (results.sport == league.sport) & (results.league == league.key) & (results.game_id == new.c.game_id)
    listed = (games.sport == league.sport) & (games.league == league.key) & (games.game_id == new.c.game_id)
    said = (
        sa.select(new.c.known_from, sa.func.min(results.known_at), sa.func.min(games.start_at))
        .select_from(new.join(tables.results, ended).join(tables.games, listed))
        .group_by(new.c.game_id, new.c.known_from)
    )
    moments = [min(start, max(known, result)) for known, result, start in connection.execute(said)]
    return min(moments, default=None)


def _links(connection: Connection, league: League) -> str:
    standing = links_of(connection, league.sport, league.key)
    return sha256(json.dumps(sorted(standing.items())).encode()).hexdigest()


def _parts(engine: Engine, league: League, first: datetime | None) -> list[_Part]:
    """The time from ``first`` on, or all of it, cut at the turns of years at which a higher rung stands.

    So that a million rows are never in memory together; without rungs there is one part.
    """
    games = tables.games.c
    starts = sa.select(sa.func.min(games.start_at), sa.func.max(games.start_at)).where(
        games.sport == league.sport, games.league == league.key
    )
    with reading(engine) as connection:
        earliest, newest = connection.execute(starts).one()
        built = checkpoints.built_revision(connection, league)
    standing = checkpoints.standing(engine, league, built)
    begins: list[tuple[datetime | None, Step | None]] = [(first, None if first is None else standing.below(first))]
    if newest is not None:
        for year in range((first or earliest).year + 1, newest.year + 1):
            turn = datetime(year, 1, 1, tzinfo=UTC)
            if (step := standing.below(turn)) != begins[-1][1]:
                begins.append((turn, step))
    ends = [begin for begin, _ in begins[1:]]
    return [_Part(begin, end, step) for (begin, step), end in zip(begins, [*ends, None], strict=True)]


def _rows_of(engine: Engine, league: League, part: _Part, now: datetime) -> pa.Table:
    base = checkpoints.rung_at(engine, league, part.step)
    facts = checkpoints.facts_above(engine, league, base, until=part.until, known_by=now)
    columns = columns_of(facts)
    return _arrow(past_table(league, columns, EVERYTHING, since=part.since, until=part.until, base=base))


def _arrow(table: Table) -> pa.Table:
    """The rows with what identifies their games, the features by name, and the final scores."""
    games = [table.facts.versions[place] for place in table.version.tolist()]
    place = {game_id: index for index, game_id in enumerate(table.facts.game_ids)}
    results = table.facts.results
    latest = np.full(len(place), -1, dtype=np.int64)
    latest[results.game] = np.arange(len(results.game))
    own = latest[[place[game.game_id] for game in games]] if games else np.empty(0, dtype=np.int64)
    moments = pa.timestamp("us", tz="UTC")
    columns: dict[str, Any] = {
        "game_id": pa.array([game.game_id for game in games], pa.string()),
        "as_of": pa.array([datetime.fromtimestamp(at, UTC) for at in table.at.tolist()], moments),
        "season": pa.array([game.season for game in games], pa.int32()),
        "home_team": pa.array([game.home_team for game in games], pa.string()),
        "away_team": pa.array([game.away_team for game in games], pa.string()),
        **{name: pa.array(table.values[:, at], pa.float64()) for at, name in enumerate(EVERYTHING.names)},
        "home_score": _labels(results.home, own),
        "away_score": _labels(results.away, own),
    }
    return pa.table(columns)


def _labels(scores: FloatArray, place: Indices) -> pa.Array:
    """The scores at the places; null at place -1, and where a score was taken back."""
    there = place >= 0
    known = np.full(len(place), np.nan)
    known[there] = scores[place[there]]
    return pa.array(known, pa.float64(), from_pandas=True)


def _empty() -> pa.Table:
    names = ("game_id", "as_of", "season", "home_team", "away_team", *EVERYTHING.names, "home_score", "away_score")
    return pa.table({name: pa.array([], pa.float64()) for name in names})


def _replace(own: Path, rows: pa.Table, part: _Part) -> None:
    """Put the rows in place of all that start in the part; each file changes in one step."""
    own.mkdir(parents=True, exist_ok=True)
    since, until = part.since, part.until
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


def _read_mark(own: Path) -> _Mark | None:
    """None where there are no files, or none that can be gone on from."""
    try:
        content = json.loads((own / MARK).read_text())
        through = datetime.fromisoformat(content["through"])
        return _Mark(content["revision"], through, content["version"], content["links"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        shutil.rmtree(own)
        return None


def _write_mark(own: Path, mark: _Mark) -> None:
    own.mkdir(parents=True, exist_ok=True)
    content = asdict(mark) | {"through": mark.through.isoformat()}
    write_file(own / MARK, json.dumps(content).encode(), durable=False)
