"""Reads CSV archives into the archive: all files, any number of times."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.errors import ValidationError
from feature_store.archive import store as archive
from feature_store.archive.queries import latest_games
from feature_store.archive.store import Recorded
from feature_store.identity.dropped_ids import Moved, find_dropped
from feature_store.identity.team_aliases import load_aliases
from feature_store.sources.csv.live import as_live
from feature_store.sources.csv.loss import FileLoss, measure_loss
from feature_store.sources.csv.mapping import OWN_LAYOUT, CsvMapping
from feature_store.sources.csv.reader import CsvReading, read_csv
from feature_store.sources.csv.table import csv_files


@dataclass
class BackfillReport:
    """What a back-fill read and added.

    ``reasons`` counts the rejected items by reason, ``losses`` has the files that lost much, and ``detected`` the
    encoding of those in which it was detected.
    """

    files: int = 0
    rows: int = 0
    recorded: dict[str, Recorded] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    guessed_seasons: dict[str, dict[int, int]] = field(default_factory=dict)
    """How many games were given a season by their dates, by league key and season."""
    moved: dict[str, list[Moved]] = field(default_factory=dict)
    """By league key the ids that a file lacks, but an earlier edition of it had, with its new ids."""
    losses: list[FileLoss] = field(default_factory=list)
    detected: dict[str, str] = field(default_factory=dict)

    @property
    def added(self) -> int:
        return sum(item.added for item in self.recorded.values())

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())


def backfill(
    engine: Engine,
    leagues: Leagues,
    paths: Sequence[Path],
    *,
    now: datetime,
    mapping: CsvMapping = OWN_LAYOUT,
    live: bool = False,
    on_file: Callable[[Path, int, int], None] = lambda _path, _done, _all: None,
) -> BackfillReport:
    """Read every CSV file of the paths into the archive; ``on_file`` is called for each before it is read.

    ``mapping`` says what the columns of another layout mean. With ``live`` what the files show counts as known now, not
    as known at moments derived from their dates. Raises ValidationError at the end for files that cannot be read; all
    the others are recorded by then.
    """
    report = BackfillReport()
    unreadable: list[str] = []
    files, aliases = csv_files(list(paths)), load_aliases(engine)
    for position, path in enumerate(files):
        on_file(path, position, len(files))
        with _without_garbage_collection():
            try:
                reading = read_csv(path, leagues, aliases, mapping, now=now, archived=partial(latest_games, engine))
            except ValidationError as error:
                unreadable.append(error.message)
                continue
            report.files += 1
            record_reading(engine, report, reading, file=path.name, source=f"csv:{path.name}", now=now, live=live)
    if unreadable:
        hint = f"The other {report.files} of {len(files)} files are in the archive ({report.added} facts added)."
        lost = [f"{loss}." for loss in report.losses]
        raise ValidationError("\n".join((*unreadable, *lost)), hint=hint, field="PATH")
    return report


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Facts make no cycles; searching hundreds of thousands of them for cycles takes a third of a back-fill."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def record_reading(
    engine: Engine,
    report: BackfillReport,
    reading: CsvReading,
    *,
    file: str,
    source: str,
    now: datetime,
    live: bool = False,
) -> None:
    """Record the facts of a file, as known now if ``live``, and its counts and its loss in the report."""
    report.rows += reading.rows
    for league, batch in reading.batches.items():
        if moved := find_dropped(batch.games, latest_games(engine, league)):
            report.moved.setdefault(league.key, []).extend(moved)
        facts = as_live(batch, now, now) if live else batch
        added = archive.record(engine, league, facts, source=source[:80], recorded_at=now, live=live, derived=not live)
        report.recorded[league.key] = report.recorded.get(league.key, Recorded()) + added
    for league, seasons in reading.guessed_seasons.items():
        counts = report.guessed_seasons.setdefault(league.key, {})
        for season, games in seasons.items():
            counts[season] = counts.get(season, 0) + games
    archive.quarantine(engine, reading.rejected, now)
    for item in reading.rejected:
        kind = f"{item.fact}: {item.reason}"
        report.reasons[kind] = report.reasons.get(kind, 0) + 1
    if loss := measure_loss(file, reading):
        report.losses.append(loss)
    if reading.detected_encoding:
        report.detected[file] = reading.detected_encoding
