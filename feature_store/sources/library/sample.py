"""The real games that ship inside the `sports-betting` package: EPL and La Liga 2023-24 with average market prices.

The prices were collected some days before the game, so they are no closing prices; the moment is not given, so they
count as known at the start only. The files stay in the package; nothing is copied from them (extra ``demo``).
"""

import csv
import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from core.betting.leagues import League, Leagues
from core.errors import ExternalServiceError
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import FactBatch, GameFact, Quote, Rejected, Result
from feature_store.sources.derived_times import LISTED_AHEAD

COUNTRIES: Final[Mapping[str, str]] = {"England": "EPL", "Spain": "LALIGA"}
SEASON: Final = 2023
BOOK: Final = "market_average"


def sample_batches(leagues: Leagues) -> dict[League, FactBatch]:
    """All games of the sample by league. Raises ExternalServiceError when the package is not installed."""
    return {leagues.get(key): _batch(leagues.get(key), country) for country, key in COUNTRIES.items()}


def _batch(league: League, country: str) -> FactBatch:
    batch = FactBatch()
    quoted = {_key(row): row for row in _rows(country, "odds") if row["provider"] == BOOK}
    for row in _rows(country, "stats"):
        if row["event_status"] != "postplay":
            continue
        start = datetime.fromisoformat(row["date"]).astimezone(UTC)
        game_id = f"{start:%Y-%m-%d}-{row['home_team']}-{row['away_team']}".replace(" ", "")
        ended = start + league.duration
        batch.games.append(
            GameFact(
                game_id=game_id,
                known_at=start - LISTED_AHEAD,
                season=SEASON,
                start_at=start,
                date_only=False,
                home_team=row["home_team"],
                away_team=row["away_team"],
                neutral=False,
                playoff=False,
                status="scheduled",
            )
        )
        batch.results.append(
            Result(game_id, ended, ended, int(float(row["home_goals"])), int(float(row["away_goals"])))
        )
        if (prices := quoted.get(_key(row))) is not None:
            kept, reasons = check_quote(_quote(game_id, start, prices), league)
            batch.quotes += [kept] if kept is not None else []
            batch.rejected += [Rejected("sample", game_id, "quote", reason, str(prices)) for reason in reasons]
    return batch


def _quote(game_id: str, start: datetime, row: Mapping[str, str]) -> Quote:
    return Quote(
        game_id=game_id,
        book=BOOK,
        moment="last",
        known_at=start,
        quoted_at=start,
        odds_home=float(row["home_win"]),
        odds_draw=float(row["draw"]),
        odds_away=float(row["away_win"]),
        total_line=2.5,
        odds_over=float(row["over_2.5"]),
        odds_under=float(row["under_2.5"]),
    )


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["date"], row["home_team"], row["away_team"]


def _rows(country: str, kind: str) -> Iterator[dict[str, str]]:
    try:
        folder = files("sportsbet") / "sources" / "data"
    except ModuleNotFoundError as error:
        msg = "The package sports-betting, whose sample games the demo uses, is not installed."
        raise ExternalServiceError(msg, hint="Run `make setup`, or install the extra `demo`.") from error
    packed = (folder / f"{country}_1_2024_{kind}.csv.gz").read_bytes()
    yield from csv.DictReader(gzip.decompress(packed).decode().splitlines())
