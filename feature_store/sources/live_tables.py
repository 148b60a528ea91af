"""CSV files that a service shows now, as live facts for the feeds: ``csv`` reads them, ``feeds`` asks for them."""

import tempfile
from datetime import datetime
from pathlib import Path

from core.betting.leagues import League, Leagues
from core.errors import ValidationError
from feature_store.archive.facts import FactBatch, Rejected
from feature_store.identity.team_aliases import Aliases
from feature_store.sources.csv.live import as_live
from feature_store.sources.csv.mapping import CsvMapping
from feature_store.sources.csv.mapping_file import find_mapping
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.feeds.event_reader import TableLayout
from feature_store.sources.seasons import UNSTATED


def read_live_table(
    content: bytes, layout: TableLayout, league: League, aliases: Aliases, now: datetime, shown_at: datetime
) -> FactBatch:
    """The facts of the league's current season that a file shows, its prices of games to come as of ``shown_at``.

    A last row without a line break is rejected: the file may end in the middle of a number. Raises ValidationError for
    a file that cannot be read or lacks a needed column.
    """
    whole, rest = _whole_rows(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{layout.mapping}-{league.key}.csv"
        path.write_bytes(whole)
        try:
            reading = read_csv(path, Leagues([league]), aliases, _mapping(layout), now=now, only=league)
        except ValidationError as error:
            # The same fault has the same words at every look, so that it stands in quarantine once.
            raise ValidationError(error.message.replace(f"{folder}/", ""), field="file") from error
    batch = reading.batches.get(league, FactBatch())
    kept = {game.game_id for game in batch.games if game.season in (layout.season, UNSTATED)}
    facts = FactBatch(
        [game for game in batch.games if game.game_id in kept],
        [result for result in batch.results if result.game_id in kept],
        [quote for quote in batch.quotes if quote.game_id in kept],
        [*reading.rejected],
    )
    if rest.strip():
        reason = "the file ends without a line break: its last row may be cut off"
        facts.rejected.append(Rejected(path.name, path.name, "row", reason, rest.decode(errors="backslashreplace")))
    return as_live(facts, now, shown_at)


def _mapping(layout: TableLayout) -> CsvMapping:
    mapping = find_mapping(layout.mapping)
    if layout.one_season or layout.to_come:
        mapping = mapping.with_constants(season=str(layout.season))
    return mapping.without_scores() if layout.to_come else mapping


def _whole_rows(content: bytes) -> tuple[bytes, bytes]:
    """The content up to its last line break, and the rest."""
    end = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1
    return content[:end], content[end:]
