"""Crowded leagues for the laws: several games a day, double-headers, and everything that sources do to a game later.

Results come late, are corrected, taken back and given again; games move to another day, another season or a
neutral venue, change their teams and are called off; quotes come from two books, late, in play or without odds.
"""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from feature_store.archive.facts import FactBatch, GameFact, Moment, Quote, Result
from tests.generated import FIRST_DAY

TEAMS = ("Alder", "Birch", "Cedar", "Douglas", "Elm", "Fir", "Ginkgo")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def crowded_facts(seed: int, *, games: int = 60) -> FactBatch:
    """Facts of one league over two seasons of ``games // 6`` days each; a newcomer replaces a team in the second."""
    random = Random(seed)
    batch = FactBatch()
    for number in range(games):
        season = 2022 + (number >= games // 2)
        teams = TEAMS[:6] if season == 2022 else TEAMS[1:]
        start = FIRST_DAY + 365 * DAY * (season - 2022) + random.randrange(max(games // 6, 1)) * DAY
        home, away = random.sample(teams, 2)
        game = GameFact(
            f"g{number:03}", start - 14 * DAY, season, start + random.choice((0, 0, 0, 3, 5)) * HOUR, False, home, away,
            random.random() < 0.15, random.random() < 0.1, "scheduled",
        )  # fmt: skip
        batch.games += [game, *_changes(random, game)]
        batch.results += _results(random, game)
        batch.quotes += _quotes(random, game)
    for facts in (batch.games, batch.results, batch.quotes):
        random.shuffle(facts)
    return batch


def _changes(random: Random, game: GameFact) -> Iterator[GameFact]:
    """What is said of the game later: before its start, on the day, or weeks after its end."""
    if random.random() > 0.35:
        return
    known_at = game.known_at + random.choice((random.randrange(1, 13), random.randrange(14, 60))) * DAY + HOUR
    other = random.choice([team for team in TEAMS if team not in (game.home_team, game.away_team)])
    yield game._replace(
        known_at=known_at,
        **random.choice(
            (
                {"start_at": game.start_at + random.randrange(-20, 40) * HOUR},
                {"neutral": not game.neutral},
                {"playoff": not game.playoff, "season": game.season + 1},
                {"home_team": other},
                {"home_team": game.away_team, "away_team": game.home_team},
                {"status": "void"},
                {"status": "final"},
            )
        ),
    )


def _results(random: Random, game: GameFact) -> list[Result]:
    ended = game.start_at + 2 * HOUR
    first = Result(game.game_id, ended, ended, random.randrange(5), random.randrange(4), *_shots(random))
    later = ended + random.randrange(1, 30) * DAY
    taken_back = first._replace(known_at=later, home_score=None, away_score=None)
    again = first._replace(known_at=later + DAY, away_score=random.randrange(9))
    return random.choice(
        (
            *[[first]] * 8,
            [],
            [first._replace(known_at=later)],
            [first, first._replace(known_at=later, home_score=random.randrange(5, 9))],
            [first, first._replace(known_at=later, finished_at=ended + 26 * HOUR, away_score=7)],
            [first, taken_back],
            [first, taken_back, again],
        )
    )


def _shots(random: Random) -> tuple[int | None, ...]:
    counted = [random.randrange(25) for _ in range(4)]
    return (None, None, *random.choice((counted, counted, [None] * 4, [counted[0], None, 3, 4])))


def _quotes(random: Random, game: GameFact) -> list[Quote]:
    shown: tuple[tuple[Moment, timedelta], ...] = (
        ("open", -24 * HOUR),
        ("last", -2 * HOUR),
        ("close", 0 * HOUR),
        ("last", HOUR),
    )
    quotes = []
    for book in ("first book", "second book"):
        for moment, after in random.sample(shown, random.randrange(4)):
            quoted_at = game.start_at + after
            odds = [1.1 + 8 * random.random() for _ in range(3)]
            lines = (random.choice((None, -1.5, 0.5, 3.0)), random.choice((None, 2.5, 44.5)))
            sides = [1.2 + 3 * random.random() for _ in range(2)]
            quotes.append(
                Quote(
                    game.game_id,
                    book,
                    moment,
                    quoted_at + random.choice((0, 0, 0, 30, 400)) * HOUR,
                    quoted_at,
                    *random.choice((odds, odds, odds, [odds[0], None, odds[2]], [None, None, None])),
                    *lines,
                    *random.choice((sides, sides, [sides[0], None], [None, None])),
                )
            )
    return quotes
