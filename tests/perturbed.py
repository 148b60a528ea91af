"""Other futures: the same facts up to a moment, and anything at all after it."""

from datetime import datetime, timedelta
from random import Random

from feature_store.archive.facts import FactBatch, GameFact, Quote, Result

TOUCHED = 8
"""Games of the past about which something new is said, so many in each of several ways."""


def another_future(facts: FactBatch, moment: datetime, random: Random) -> FactBatch:
    """The facts as far as they were known at the moment; what became known later is dropped, changed and added to."""
    past = facts.known_by(moment)
    later = moment + timedelta(seconds=1)
    games, results, quotes = _changed(facts, moment, random)
    teams = sorted({team for game in past.games for team in (game.home_team, game.away_team)}) or ["Alder", "Birch"]
    for game in _some(past.games, random):
        games.append(_corrected(game, random)._replace(known_at=later))
    for result in _some(past.results, random):
        results.append(result._replace(known_at=later, **_other_score(random)))
    for game in _some(past.games, random):
        results.append(Result(game.game_id, later, random.choice((later, game.start_at)), random.randrange(30), 3))
        quotes.append(_quote(game.game_id, later, random.choice((later, game.start_at, moment - DAY)), random))
    for number in range(TOUCHED):
        start = moment + random.uniform(-9, 9) * DAY
        home, away = random.choice(teams), random.choice(("Usurper", "Aaa", *teams))
        games.append(GameFact(f"{random.choice('aghz')}-new-{number}", later, start.year, start, False, home, f"{away} II",
                          False, False, "scheduled"))  # fmt: skip
        results.append(Result(games[-1].game_id, later, start + DAY / 12, random.randrange(30), random.randrange(30)))
        quotes.append(_quote(games[-1].game_id, later, start, random))
    return FactBatch(past.games + games, past.results + results, past.quotes + quotes)


DAY = timedelta(days=1)


def _changed(facts: FactBatch, moment: datetime, random: Random) -> tuple[list[GameFact], list[Result], list[Quote]]:
    """What really became known later: a third of it never happens, the rest otherwise."""
    games, results, quotes = (
        [fact for fact in kind if fact.known_at > moment and random.random() < 2 / 3]  # type: ignore[attr-defined]
        for kind in (facts.games, facts.results, facts.quotes)
    )
    return (
        [_corrected(game, random) for game in games],
        [result._replace(**_other_score(random)) for result in results],
        [
            quote._replace(odds_home=1.01 + 20 * random.random(), spread_line=9 * random.random(), total_line=99.5)
            for quote in quotes
        ],
    )


def _some(facts: list, random: Random) -> list:  # type: ignore[type-arg]
    return random.sample(facts, min(TOUCHED, len(facts)))


def _corrected(game: GameFact, random: Random) -> GameFact:
    changes: tuple[dict[str, object], ...] = (
        {"status": "void"},
        {"status": "final"},
        {"neutral": not game.neutral, "playoff": not game.playoff},
        {"season": game.season + 1},
        {"start_at": game.start_at + random.uniform(-5, 5) * DAY},
        {"home_team": "Usurper"},
        {"home_team": game.away_team, "away_team": game.home_team},
    )
    return game._replace(**random.choice(changes))  # type: ignore[arg-type]


def _other_score(random: Random) -> dict[str, int | None]:
    """Another score and other shots, or the result taken back."""
    if random.random() < 0.25:
        return {"home_score": None, "away_score": None}
    names = ("home_score", "away_score", "home_shots", "away_shots", "home_shots_on_target", "away_shots_on_target")
    return {name: random.randrange(30) for name in names}


def _quote(game_id: str, known_at: datetime, quoted_at: datetime, random: Random) -> Quote:
    book = random.choice(("first book", "another book", "market"))
    odds = [1.1 + 9 * random.random() for _ in range(3)]
    return Quote(game_id, book, "last", known_at, quoted_at, *odds, 4.5, 199.5, 1.7, 2.2)
