"""To which season a game belongs where its source does not say: one rule for every source.

Between two seasons no game is played for weeks, so a season ends at a gap in the schedule: the one around the day on
which the league's seasons usually change (``League.season_start``), else a long one near to it. So a season that ends
late stays whole, and a break in the middle of one does not divide it. Where it is not known when a league's seasons
change, its games show it: the right day lies in a gap every year, and lets two clubs meet at the same ground as seldom
as possible (docs/decisions/0055).
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from core.betting.leagues import CALENDAR_YEAR, League
from feature_store.archive.facts import GameFact

UNSTATED: Final = 0
"""The season of a game whose source states none, until it is guessed."""

SHORTEST_GAP: Final = 14
"""Days without a game that can part two seasons."""
LONGEST_GAP: Final = 150
"""Days of a gap above which its length no longer counts."""
UNSEEN_GAP: Final = 45
"""Days that are taken to be free of games before the first game and after the last one."""
DAYS_PER_DAY_OFF: Final = 3
"""By how many days a gap must be longer for each day that it lies further from the usual day."""

STARTS_BY_SPORT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("baseball", "afl", "mma", "tennis", "golf", "formula_1", "volleyball"), CALENDAR_YEAR),
    "soccer": "08-01",
    "basketball": "10-01",
    "ice_hockey": "09-25",
}
"""When the seasons of a league change about which nothing is known; in a sport that is not listed on July 1."""
POSSIBLE_STARTS: Final = (CALENDAR_YEAR, "07-01", "08-01", "09-25", "10-01")

AS_GOOD: Final = 0.02
"""Two possible starts between which the games do not decide."""
SHORTEST_SCHEDULE: Final = timedelta(days=60)
"""A schedule that is shorter does not show how the league's seasons run."""
TURN_OF_YEAR: Final = ((12, 20), (1, 10))
"""A league with games between these days does not play in calendar years."""


class _Gap(NamedTuple):
    """Days without a game: the last day with one before, and the first after it."""

    before: date
    after: date

    def weight(self, usual: date) -> int:
        """How much speaks for it as the end of a season that usually ends about that day; 0 or less if nothing."""
        length = min((self.after - self.before).days, LONGEST_GAP)
        off = max((self.before - usual).days + 1, (usual - self.after).days)
        return length - DAYS_PER_DAY_OFF * off if off > 0 else length + LONGEST_GAP


class SeasonCalendar:
    """The first days of a league's seasons, as the days show on which it played."""

    def __init__(self, start: str, days: Collection[date]) -> None:
        """``start`` is the month and day about which seasons change; ``days`` are those with games."""
        month, day = map(int, start.split("-"))
        first, last = min(days), max(days)
        unseen = timedelta(days=UNSEEN_GAP)
        gaps = [
            _Gap(first - unseen, first),
            *(_Gap(*pair) for pair in pairwise(sorted(set(days))) if (pair[1] - pair[0]).days >= SHORTEST_GAP),
            _Gap(last, last + unseen),
        ]
        years = range(first.year, last.year + 1)
        usual = [date(year, month, day) for year in years]
        ends = [max(gaps, key=lambda gap: gap.weight(day)) for day in usual]
        self._first_year = years[0]
        starts = (gap.after if gap.weight(day) > 0 else day for gap, day in zip(ends, usual, strict=True))
        self._starts = list(accumulate(starts, max))
        inside = [gap.weight(day) > 0 for gap, day in zip(ends, usual, strict=True) if first < day <= last]
        self.cut = inside.count(False) / len(inside) if inside else 0.0
        """The share of seasons' ends, among those within the days, at which there is no gap."""

    def season(self, day: date) -> int:
        """The year in which the day's season began."""
        return self._first_year - 1 + bisect_right(self._starts, day)


def season_at(league: League, day: date) -> int:
    """The season that is played on the day, by the day about which the league's seasons usually change."""
    month, start = map(int, (league.season_start or STARTS_BY_SPORT.get(league.sport, "07-01")).split("-"))
    return day.year if (day.month, day.day) >= (month, start) else day.year - 1


def complete_seasons(
    league: League, games: Sequence[GameFact], listed: Iterable[GameFact] = ()
) -> tuple[list[GameFact], Counter[int]]:
    """The games, those of an unstated season with the one that their dates show; and how many these are, by season.

    ``listed`` are other games of the league, such as those in the archive: the more there are, the better the guess.
    """
    if all(game.season != UNSTATED for game in games):
        return list(games), Counter()
    known = {game.game_id: game for game in (*listed, *games)}.values()
    played = [game for game in known if game.status != "void"] or games
    start = league.season_start or _usual_start(league, played)
    calendar = SeasonCalendar(start, {game.start_at.date() for game in played})
    completed, guessed = [], Counter[int]()
    for game in games:
        if game.season == UNSTATED:
            season = calendar.season(game.start_at.date())
            guessed[season] += 1
            completed.append(game._replace(season=season))
        else:
            completed.append(game)
    return completed, guessed


def _usual_start(league: League, games: Sequence[GameFact]) -> str:
    """The day about which the league's seasons change, as far as its games show it, else as in most of its sport."""
    usual = STARTS_BY_SPORT.get(league.sport, "07-01")
    days = {game.start_at.date() for game in games}
    if max(days) - min(days) < SHORTEST_SCHEDULE:
        return usual
    judged = {start: _judge(SeasonCalendar(start, days), games) for start in POSSIBLE_STARTS}
    least = min(fault for fault, _ in judged.values())
    if least >= 1:
        return usual
    good = {start: seasons for start, (fault, seasons) in judged.items() if fault <= least + AS_GOOD}
    fewest = min(good.values())
    best = [start for start, seasons in good.items() if seasons == fewest]
    if CALENDAR_YEAR in best and not any(map(_at_turn_of_year, days)):
        return CALENDAR_YEAR
    return usual if usual in best else best[-1]


def _judge(calendar: SeasonCalendar, games: Sequence[GameFact]) -> tuple[float, int]:
    """How little the calendar fits the games, from 0 up, and into how many seasons it parts them."""
    meetings = list(_meetings(calendar, games))
    repeated = 1 - len(set(meetings)) / len(meetings)
    return calendar.cut + repeated, len({season for season, _, _ in meetings})


def _meetings(calendar: SeasonCalendar, games: Iterable[GameFact]) -> Iterator[tuple[int, str, str]]:
    for game in games:
        yield calendar.season(game.start_at.date()), game.home_team, game.away_team


def _at_turn_of_year(day: date) -> bool:
    since, until = TURN_OF_YEAR
    return (day.month, day.day) >= since or (day.month, day.day) <= until
