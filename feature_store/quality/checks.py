"""Quality checks of facts and of features, before a model is trained on them.

Every check is a pandera schema: one of games, one of quotes, two of season rates (what refuses, what only warns), and
one of features. A season is compared with its neighbours or with the league's other seasons. Fewer checks apply to the
first and the last one: an archive begins somewhere, and the season under way is incomplete. What is missing from every
season alike shows in how unevenly teams play (``schedule_completeness``).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import inf, nan
from statistics import median
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from core.betting.leagues import League
from core.errors import ServiceError
from feature_store.archive.checks.quotes import LINES
from feature_store.archive.facts import FactBatch, Quote
from feature_store.features.catalogue import CATALOGUE
from feature_store.quality.flag import Flag
from feature_store.quality.schedule_completeness import STRAY_REPEATS, lost_shares, rounds_played
from feature_store.quality.usual_totals import USUAL_TOTALS

FEWEST_TO_JUDGE: Final = 30
"""Games below which a season's rates mean nothing."""

NEIGHBOURS: Final = 3
"""Seasons on either side with which a season's number of games is compared."""

SHORT_SEASON: Final = 0.7
"""A season with a smaller share of its neighbours' games must have as many games per day as they have."""

MOST_LOST: Final = 0.12
"""Largest share of missing games, as a season's schedule shows it: twice the most of any real season."""

MANY_GAMES: Final = 1.25
"""A season with a larger multiple of its neighbours' games has too many."""

LONGEST_SEASON: Final = 450
"""Days from the first to the last game of a season; the longest real ones, of 2019, had some 360."""

WHOLE_ROUNDS: Final = 0.93
"""A league is a round robin if its seasons complete at least this share of it; real ones lack a few games."""

within = pa.Check.in_range

GAMES: Final = pa.DataFrameSchema(
    {
        "season": pa.Column(int, within(1850, 2150)),
        "home_team": pa.Column(str, pa.Check.str_length(min_value=1)),
        "away_team": pa.Column(str, pa.Check.str_length(min_value=1)),
        "plays_itself": pa.Column(bool, pa.Check.isin([False])),
        "home_score": pa.Column(float, within(0, 1_000)),
        "away_score": pa.Column(float, within(0, 1_000)),
    }
)
"""A finished game that a model may be trained on."""

QUOTES: Final = pa.DataFrameSchema(
    {
        **{
            name: pa.Column(float, within(1, 10_000, include_min=False), nullable=True)
            for name in ("odds_home", "odds_draw", "odds_away", "odds_over", "odds_under")
        },
        **{name: pa.Column(float, within(*possible), nullable=True) for name, possible in LINES.items()},
    }
)
"""A quote that a model may be trained on. Overrounds are checked where quotes come in (``quote_checks``)."""

REFUSED: Final = pa.DataFrameSchema(
    {
        "density": pa.Column(float, within(0.55, inf), nullable=True),
        "schedule": pa.Column(float, within(0, MOST_LOST), nullable=True),
        "two_seasons": pa.Column(float, within(0, MOST_LOST), nullable=True),
        "played_again": pa.Column(float, within(0, STRAY_REPEATS), nullable=True),
        "rounds": pa.Column(float, within(SHORT_SEASON, inf), nullable=True),
        "scores": pa.Column(float, within(1 / 3, 3), nullable=True),
        "sport": pa.Column(float, within(1, 1), nullable=True),
        "home_wins": pa.Column(float, within(0.05, 0.95), nullable=True),
    }
)
"""Season rates outside of which training is refused: no real season has had them."""

WARNED: Final = pa.DataFrameSchema(
    {
        "games": pa.Column(float, within(0.85, inf), nullable=True),
        "many_games": pa.Column(float, within(0, MANY_GAMES), nullable=True),
        "played_again": pa.Column(float, within(0, 0), nullable=True),
        "days": pa.Column(float, within(0, LONGEST_SEASON), nullable=True),
        "newest_schedule": pa.Column(float, within(0, MOST_LOST), nullable=True),
        "scores": pa.Column(float, within(0.75, 4 / 3), nullable=True),
        "home_wins": pa.Column(float, within(0.40, 0.75), nullable=True),
        "priced": pa.Column(float, within(-0.3, 0.3), nullable=True),
        "repeated": pa.Column(float, within(0, 0), nullable=True),
    }
)
"""Season rates outside of which a person is warned: they happen, in lock-outs for example."""

MEANINGS: Final = {
    "games": "number of games, as a share of its neighbours'",
    "density": "games missing: games per day, as a share of its neighbours'",
    "schedule": "games missing: share lost, by how unevenly teams play, at home and away",
    "newest_schedule": "games missing in the newest season: share lost, by how unevenly teams play, at home and away",
    "many_games": "too many games: as a multiple of its neighbours'",
    "two_seasons": "too many games: those of two seasons, by how unevenly teams play, at home and away",
    "played_again": "too many games: share of the meetings of a round robin that was played once more",
    "days": "too many games: those of more than one season, by the days from the first to the last",
    "rounds": "games missing: share of the meetings of a round robin, which its neighbours complete",
    "scores": "points per game, as a multiple of the league's other seasons",
    "sport": "points per game, as a multiple of the sport's usual range",
    "home_wins": "share of decided games won at home",
    "priced": "share of games with closing prices, minus that of the other seasons",
    "repeated": "games of the same teams on the same day",
}


def examine_facts(league: League, facts: FactBatch) -> list[Flag]:
    """Refusals and warnings about the finished games of the league, season by season."""
    games = _finished(facts)
    if games.empty:
        return []
    flags = [
        flag
        for schema, frame in ((GAMES, games), (QUOTES, _quoted(facts, games)))
        for flag in _failures(schema, frame, league, "refusal", lambda column, check: f"{column} {check}")
    ]
    rates = _rates(league, games)
    refused = list(_failures(REFUSED, rates, league, "refusal", lambda column, _check: MEANINGS[column]))
    flagged = {(flag.season, flag.what) for flag in refused}
    warned = _failures(WARNED, rates, league, "warning", lambda column, _check: MEANINGS[column])
    return [*flags, *refused, *(flag for flag in warned if (flag.season, flag.what) not in flagged)]


def examine_features(
    league: League, names: Sequence[str], seasons: NDArray[np.int64], values: NDArray[np.float64]
) -> list[Flag]:
    """Features outside their bounds."""
    frame = pd.DataFrame(values, columns=pd.Index(names)).assign(season=seasons)
    schema = pa.DataFrameSchema({name: _column(name) for name in names})
    return list(_failures(schema, frame, league, "refusal", lambda name, _check: f"feature {name} out of bounds"))


def admit(flags: Iterable[Flag], accepted: Collection[str] = ()) -> list[Flag]:
    """The warnings among the flags, and before them the refusals that are accepted by name.

    Raises ServiceError naming every other refusal.
    """
    every = list(flags)
    refused = [flag for flag in every if flag.level == "refusal"]
    standing = [flag for flag in refused if flag.name not in accepted]
    if standing:
        shown = [f"{flag} [{flag.name}]" for flag in standing]
        msg = f"Data refused: {'; '.join(shown[:5])}{' ...' if len(shown) > 5 else ''}."
        hint = (
            "Check the source, back-fill the correct data, and train again."
            f" If the data are correct: `dbsbm train --accept {standing[0].name}`."
        )
        raise ServiceError(msg, hint=hint, reason="quality", flags=shown)
    return [*(flag._replace(level="accepted") for flag in refused), *(flag for flag in every if flag not in refused)]


def _column(name: str) -> pa.Column:
    item = CATALOGUE[name]
    return pa.Column(float, within(*item.bounds), nullable=item.may_be_missing)


def _failures(
    schema: pa.DataFrameSchema,
    frame: pd.DataFrame,
    league: League,
    level: Literal["warning", "refusal"],
    words: Callable[[str, str], str],
) -> Iterator[Flag]:
    """One flag per season, column and check that failed, with how often and the first value."""
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        seasons = [
            frame.loc[place, "season"] if place is not None and place == place else None for place in cases["index"]
        ]
        for (season, column, check), own in cases.assign(season=seasons).groupby(
            ["season", "column", "check"], dropna=False, sort=True
        ):
            first = own["failure_case"].iloc[0]
            shown = f"{first:.3g}" if isinstance(first, float) else str(first)
            numbers = shown if len(own) == 1 else f"{shown} and {len(own) - 1} more"
            yield Flag(
                level,
                league.key,
                None if season != season else int(season),
                str(column),
                words(str(column), str(check)),
                numbers,
            )


def _finished(facts: FactBatch) -> pd.DataFrame:
    """One row per finished game, by the latest versions of it and its result."""
    latest = {game.game_id: game for game in sorted(facts.games, key=lambda game: game.known_at)}
    results = {result.game_id: result for result in sorted(facts.results, key=lambda result: result.known_at)}
    priced = {quote.game_id for quote in facts.quotes if quote.moment != "open" and quote.odds_home is not None}
    rows = [
        (game.game_id, game.season, game.start_at, game.home_team, game.away_team, game.playoff,
         game.home_team == game.away_team, result.home_score, result.away_score, game.game_id in priced)
        for game in latest.values()
        if game.status != "void" and (result := results.get(game.game_id)) and result.home_score is not None
    ]  # fmt: skip
    columns = ["game_id", "season", "start", "home_team", "away_team", "playoff",
               "plays_itself", "home_score", "away_score", "priced"]  # fmt: skip
    frame = pd.DataFrame(rows, columns=pd.Index(columns))
    return frame.astype({"home_score": float, "away_score": float})


def _quoted(facts: FactBatch, games: pd.DataFrame) -> pd.DataFrame:
    """One row per quote of a finished game, with the game's season."""
    frame = pd.DataFrame(facts.quotes, columns=pd.Index(Quote._fields))
    quoted = frame.merge(games[["game_id", "season"]], on="game_id")
    return quoted.astype(dict.fromkeys(QUOTES.columns, float))


def _rates(league: League, games: pd.DataFrame) -> pd.DataFrame:
    """The rates of every season; NaN where a rate does not apply to it."""
    seasons = {int(own["season"].iloc[0]): own for _, own in games.groupby("season")}
    counts = {season: float(len(own)) for season, own in seasons.items()}
    densities = {
        season: len(own) / ((own["start"].max() - own["start"].min()).days + 1) for season, own in seasons.items()
    }
    judged = {season: own for season, own in seasons.items() if len(own) >= FEWEST_TO_JUDGE}
    totals = {season: float((own["home_score"] + own["away_score"]).mean()) for season, own in judged.items()}
    prices = {season: float(own["priced"].mean()) for season, own in judged.items()}
    lost, rounds = lost_shares(seasons), {season: rounds_played(own) for season, own in seasons.items()}
    whole = {season: own.whole for season, own in rounds.items()}
    rows = []
    for season, own in seasons.items():
        last, edge = season == max(seasons), season in (min(seasons), max(seasons))
        multiple = counts[season] / _neighbours(counts, season)
        share = nan if last else multiple
        robin = _neighbours(whole, season) >= WHOLE_ROUNDS
        uneven = "two_seasons" if multiple > MANY_GAMES or _is_broken(seasons, season) else "schedule"
        density = densities[season] / _neighbours(densities, season)
        rows.append(
            {
                "season": season,
                "games": share,
                "density": nan if edge or not share < SHORT_SEASON else density,
                "many_games": multiple,
                "days": (own["start"].max() - own["start"].min()).days,
                "schedule": nan,
                "two_seasons": nan,
                uneven: nan if last else lost[season],
                "newest_schedule": lost[season] if last else nan,
                "rounds": rounds[season].played if robin and not edge else nan,
                "played_again": rounds[season].again if robin else nan,
                "scores": totals.get(season, nan) / _others(totals, season),
                "sport": _beyond(totals.get(season, nan), USUAL_TOTALS.get(league.sport, (0.0, inf))),
                "home_wins": _home_wins(own) if season in judged else nan,
                "priced": prices.get(season, nan) - _others(prices, season),
                "repeated": nan if league.sport == "baseball" else _repeated(own),
            }
        )
    return pd.DataFrame(rows).astype(dict.fromkeys(MEANINGS, float))


def _is_broken(seasons: Mapping[int, pd.DataFrame], season: int) -> bool:
    """Whether a break within the season is longer than those before and after it, as where two seasons are in one."""
    starts = seasons[season]["start"].sort_values()
    breaks: list[Any] = [
        after["start"].min() - before["start"].max()
        for before, after in (
            (seasons.get(season - 1), seasons[season]),
            (seasons[season], seasons.get(season + 1)),
        )
        if before is not None and after is not None
    ]
    return bool(breaks) and starts.diff().max() > max(breaks)


def _neighbours(values: Mapping[int, float], season: int) -> float:
    """The median of the seasons around it, without the one under way, whose games are not yet complete."""
    complete = [one for one in sorted(values) if one != max(values) or one == season]
    place = complete.index(season)
    around = [*complete[max(0, place - NEIGHBOURS) : place], *complete[place + 1 : place + 1 + NEIGHBOURS]]
    return median(values[one] for one in around) if around else nan


def _others(values: Mapping[int, float], season: int) -> float:
    others = [value for other, value in values.items() if other != season]
    return (median(others) or nan) if others else nan


def _beyond(total: float, usual: tuple[float, float]) -> float:
    """1 within the usual range, else the multiple of its nearer end."""
    low, high = usual
    return total / low if total < low else total / high if total > high else total / total if total else 1.0


def _home_wins(games: pd.DataFrame) -> float:
    margins: Any = games["home_score"] - games["away_score"]
    decided = int((margins != 0).sum())
    return float((margins > 0).sum() / decided) if decided >= FEWEST_TO_JUDGE else nan


def _repeated(games: pd.DataFrame) -> float:
    meetings = games.assign(day=games["start"].dt.date)
    return float(meetings.duplicated(["day", "home_team", "away_team"]).sum())
