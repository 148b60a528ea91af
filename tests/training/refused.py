"""Leagues that nothing can be learnt from, with what a training says of each and the reason's name."""

from collections.abc import Callable

from feature_store.archive.facts import FactBatch
from tests.generated import invented_facts
from training.datasets.assembly import FEWEST_GAMES


def rescored(facts: FactBatch, score: Callable[[int], tuple[int, int]]) -> FactBatch:
    """The same games with other scores, by their number."""
    results = [
        result._replace(home_score=score(number)[0], away_score=score(number)[1])
        for number, result in enumerate(facts.results)
    ]
    return FactBatch(facts.games, results, facts.quotes)


def of_seasons(facts: FactBatch, season: Callable[[int], int]) -> FactBatch:
    games = [game._replace(season=season(number)) for number, game in enumerate(facts.games)]
    return FactBatch(games, facts.results, facts.quotes)


def at_once(facts: FactBatch) -> FactBatch:
    """All games at the first one's hour."""
    first = facts.games[0]
    games = [game._replace(known_at=first.known_at, start_at=first.start_at, season=2022) for game in facts.games]
    return FactBatch(games, facts.results, [])


GAMES_OF_300 = invented_facts(7, games=300, quirks=False)
REFUSED: dict[str, tuple[FactBatch, str, str]] = {
    "no game": (FactBatch(), "NFL has 0 finished games", "too_few_games"),
    "too few games": (
        invented_facts(7, games=FEWEST_GAMES - 1, quirks=False),
        "NFL has 19 finished games",
        "too_few_games",
    ),
    "one class only": (
        rescored(GAMES_OF_300, lambda _: (20, 17)),
        "all 300 finished games ended with home",
        "one_outcome_only",
    ),
    "level only": (
        rescored(GAMES_OF_300, lambda _: (20, 20)),
        "all 300 finished games ended level",
        "one_outcome_only",
    ),
    "level where held out": (
        rescored(GAMES_OF_300, lambda number: (20, 20) if number > 90 else (20, 17 + 5 * (number % 2))),
        r"all \d+ games held out \(part 4, part 5, part 6\) ended level",
        "held_out_level",
    ),
    "seasons that overlap throughout": (
        of_seasons(GAMES_OF_300, lambda number: 2016 + number % 5),
        "seasons 2017, 2018, 2019, 2020 begin before an earlier one has ended",
        "seasons_overlap",
    ),
    "seasons without a past": (
        of_seasons(invented_facts(7, games=20, quirks=False), lambda number: 2020 + min(number, 3)),
        "seasons 2021, 2022, 2023 are all there is to forecast, and none has 10 games before",
        "nothing_before",
    ),
    "one evening": (at_once(GAMES_OF_300), "too close together", "games_too_close"),
}
