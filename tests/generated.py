"""Invented leagues for tests: small, seeded, with ties, same-day games, neutral venues, late results and corrections."""

from datetime import UTC, datetime, timedelta
from random import Random

from feature_store.archive.facts import FactBatch, GameFact, Quote, Result

FIRST_DAY = datetime(2022, 8, 1, 15, tzinfo=UTC)
TEAMS = ("Alder", "Birch", "Cedar", "Douglas", "Elm", "Fir")


def invented_facts(seed: int, *, games: int = 60, quirks: bool = True) -> FactBatch:
    """Facts of one league over two seasons; with ``quirks`` some results come late, are corrected or taken back."""
    random = Random(seed)
    batch = FactBatch()
    for number in range(games):
        season = 2022 if number < games // 2 else 2023
        start = FIRST_DAY + timedelta(
            days=365 * (season - 2022) + 2 * (number % (games // 2)), hours=random.choice((0, 0, 3))
        )
        home, away = random.sample(TEAMS, 2)
        game = GameFact(
            f"g{number}", start - timedelta(days=14), season, start, False, home, away,
            random.random() < 0.1, random.random() < 0.1, "scheduled",
        )  # fmt: skip
        batch.games.append(game)
        batch.quotes += _quotes(random, game)
        batch.results += _results(random, game, quirks=quirks)
    return batch


def _quotes(random: Random, game: GameFact) -> list[Quote]:
    prices = [1 + 9 * random.random() for _ in range(3)]
    later = [price * (0.9 + 0.2 * random.random()) + 0.1 for price in prices]
    quotes = [
        Quote(
            game.game_id, "book", "open", game.start_at - timedelta(days=1), game.start_at - timedelta(days=1), *prices
        ),
        Quote(
            game.game_id, "book", "close", game.start_at, game.start_at, *later, spread_line=0.5, total_line=2.5,
            odds_over=1.7 + later[0] / 20, odds_under=2.1,
        ),
    ]  # fmt: skip
    return random.sample(quotes, random.choice((0, 1, 2, 2, 2)))


def _results(random: Random, game: GameFact, *, quirks: bool) -> list[Result]:
    ended = game.start_at + timedelta(hours=2)
    home, away = random.randrange(5), random.randrange(4)
    shots = {"home_shots": 9 + 2 * home, "away_shots": 8 + 3 * away}
    on_target = {"home_shots_on_target": 2 + home, "away_shots_on_target": 1 + 2 * away}
    first = Result(game.game_id, ended, ended, home, away, **shots, **on_target)
    if not quirks:
        return [first]
    fate = random.random()
    if fate < 0.1:
        return [first._replace(known_at=ended + timedelta(days=random.randrange(1, 20)))]
    if fate < 0.2:
        return [first, first._replace(known_at=ended + timedelta(days=random.randrange(1, 40)), home_score=home + 1)]
    if fate < 0.25:
        return [first, first._replace(known_at=ended + timedelta(days=3), home_score=None, away_score=None)]
    return [first]
