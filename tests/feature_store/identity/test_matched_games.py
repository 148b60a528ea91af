"""What the rule is sure of is linked with its score, people can take it back for good, and doubtful games are served once."""

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import ConflictError, ResourceNotFoundError, ValidationError
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote
from feature_store.identity.duplicate_games import find_duplicates
from feature_store.identity.game_matching import RULE
from feature_store.identity.linking import link_games, list_links, separate_games, unlink_game
from feature_store.identity.matched_games import MATCHER, link_matches, suggest_matches, withheld_games
from feature_store.identity.team_aliases import forget_alias, list_aliases, load_aliases, record_alias
from feature_store.rows.build import build
from feature_store.rows.online import load_rows
from tests.conftest import NOW

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
START = NOW + 3 * DAY


def game(game_id: str, home: str, away: str, start: object = START, **changes: object) -> GameFact:
    usual = GameFact(game_id, NOW - DAY, 2023, START, False, home, away, False, False, "scheduled")
    return usual._replace(start_at=start, **changes)  # type: ignore[arg-type]


def record(engine: Engine, source: str, *games: GameFact) -> None:
    prices = [Quote(one.game_id, source, "last", one.known_at, one.known_at, 2.0, 3.4, 3.8) for one in games]
    archive.record(engine, EPL, FactBatch([*games], [], prices), source=source, recorded_at=NOW)


def links(engine: Engine) -> list[tuple[str, str]]:
    return [(link.game_id, link.same_as) for link in list_links(engine, EPL)]


def served(engine: Engine, now: object = NOW) -> list[str]:
    build(engine, EPL, now, withheld_games(engine, EPL, now))  # type: ignore[arg-type]
    return sorted(row.game.game_id for row in load_rows(engine))


@pytest.fixture
def two_feeds(database: Engine) -> Engine:
    """A past of several rounds, and a game to come in three sources."""
    past = [game(f"old{number}", "Man United", f"Club {number}", NOW - number * 40 * DAY) for number in range(1, 4)]
    record(database, "csv:epl.csv", *past)
    record(database, "feed:a", game("a:1", "Manchester Utd", "Wolves", START + 5 * MINUTE))
    record(database, "feed:b", game("b:1", "Manchester United", "Wolverhampton Wanderers"))
    record(database, "bot", game("77", "Man United", "Wolves"))
    return database


def test_a_sure_game_is_linked_to_the_bots_id_with_score_and_rule_and_served_once(two_feeds: Engine) -> None:
    matches = link_matches(two_feeds, EPL, NOW)
    assert {(one.game_id, one.same_as) for one in matches.links} == {("a:1", "77"), ("b:1", "77")}
    for link in list_links(two_feeds, EPL):
        assert (link.source, link.rule, link.recorded_at) == (MATCHER, RULE, NOW)
        assert link.score is not None
        assert 0.86 <= link.score <= 1
    decided = {(one.alias, one.team): one for one in list_aliases(two_feeds)}
    assert set(decided) == {
        ("Manchester United", "Man United"),
        ("Manchester Utd", "Man United"),
        ("Wolverhampton Wanderers", "Wolves"),
    }, "the team is the name with the longest history"
    assert {(one.source, one.rule) for one in decided.values()} == {(MATCHER, RULE)}
    assert served(two_feeds) == ["77"]
    (row,) = load_rows(two_feeds)
    assert row.game.home_team == "Man United"
    facts = archive.load(two_feeds, EPL, game_ids={"77"})
    assert {(one.home_team, one.away_team) for one in facts.games} == {("Man United", "Wolves")}
    assert {quote.book for quote in facts.quotes} == {"bot", "feed:a", "feed:b"}


def test_a_second_run_adds_nothing_and_a_source_that_comes_later_joins(two_feeds: Engine) -> None:
    link_matches(two_feeds, EPL, NOW)
    again = link_matches(two_feeds, EPL, NOW + MINUTE)
    assert (again.links, again.aliases, again.doubtful) == ((), (), 0)
    record(two_feeds, "feed:c", game("c:1", "Man. United", "Wolverhampton"))
    assert [(one.game_id, one.same_as) for one in link_matches(two_feeds, EPL, NOW + MINUTE).links] == [("c:1", "77")]


def test_two_linked_games_become_one_under_the_id_that_the_bot_brings_later(database: Engine) -> None:
    record(database, "feed:a", game("a:1", "Arsenal", "Chelsea"))
    record(database, "feed:b", game("b:1", "Arsenal", "Chelsea"))
    link_matches(database, EPL, NOW)
    assert links(database) == [("b:1", "a:1")]
    record(database, "bot", game("77", "Arsenal FC", "Chelsea FC"))
    link_matches(database, EPL, NOW + MINUTE)
    assert links(database) == [("a:1", "77"), ("b:1", "77")]


def test_what_a_person_takes_back_is_not_linked_again_and_both_are_served(two_feeds: Engine) -> None:
    link_matches(two_feeds, EPL, NOW)
    unlink_game(two_feeds, EPL, "a:1", source="command line", now=NOW + MINUTE)
    for minutes in (2, 3):
        assert link_matches(two_feeds, EPL, NOW + minutes * MINUTE).links == ()
    assert links(two_feeds) == [("b:1", "77")]
    assert suggest_matches(two_feeds, EPL, NOW + 3 * MINUTE) == []
    assert find_duplicates(two_feeds, EPL, NOW + 3 * MINUTE) == []
    assert served(two_feeds, NOW + 3 * MINUTE) == ["77", "a:1"]
    assert link_games(two_feeds, EPL, "a:1", "77", source="command line", now=NOW + 4 * MINUTE)
    assert links(two_feeds) == [("a:1", "77"), ("b:1", "77")]


def test_an_alias_that_a_person_takes_back_is_not_learned_again_until_a_person_decides(two_feeds: Engine) -> None:
    link_matches(two_feeds, EPL, NOW)
    forget_alias(two_feeds, EPL, "Manchester Utd", source="command line", now=NOW)
    record(two_feeds, "feed:a", game("a:2", "Manchester Utd", "Wolves", START + 7 * DAY))
    record(two_feeds, "bot", game("78", "Man United", "Wolves", START + 7 * DAY))
    again = link_matches(two_feeds, EPL, NOW + MINUTE)
    assert (again.links, again.aliases) == ((), ())
    assert load_aliases(two_feeds).team(EPL, "Manchester Utd") == "Manchester Utd"
    record_alias(two_feeds, EPL, "Manchester Utd", "Man United", source="command line", now=NOW)
    assert [(one.game_id, one.same_as) for one in link_matches(two_feeds, EPL, NOW + MINUTE).links] == [("a:2", "78")]


def test_a_persons_alias_wins(database: Engine) -> None:
    """Someone has decided that the feed's Wolves are another club."""
    record(database, "feed:a", game("a:1", "Arsenal", "Wolves"))
    record(database, "bot", game("77", "Arsenal", "Wolverhampton"))
    record_alias(database, EPL, "Wolves", "Warsaw", source="command line", now=NOW)
    link_matches(database, EPL, NOW)
    assert [(one.alias, one.team) for one in list_aliases(database)] == [("Wolves", "Warsaw")]
    assert links(database) == []


def test_a_doubtful_game_is_suggested_with_its_reason_and_served_once_until_a_person_decides(database: Engine) -> None:
    record(database, "feed:a", game("a:1", "Arsenal", "The Bees"), game("a:2", "Chelsea", "Everton"))
    record(database, "feed:b", game("b:1", "Arsenal", "Brentford"))
    assert link_matches(database, EPL, NOW).doubtful == 1
    assert links(database) == []
    (suggestion,) = suggest_matches(database, EPL, NOW)
    assert (suggestion.game_id, suggestion.same_as) == ("b:1", "a:1")
    assert "one club has two names" in suggestion.note
    assert "a:1 is served: feed:a lists most games of EPL" in suggestion.note
    assert served(database) == ["a:1", "a:2"]

    assert separate_games(database, EPL, "b:1", "a:1", source="command line", now=NOW)
    assert not separate_games(database, EPL, "a:1", "b:1", source="command line", now=NOW)
    assert suggest_matches(database, EPL, NOW) == []
    assert served(database, NOW + MINUTE) == ["a:1", "a:2", "b:1"]


def test_exchanged_sides_are_doubtful_and_served_once(database: Engine) -> None:
    record(database, "feed:a", game("a:1", "Arsenal", "Brentford"))
    record(database, "bot", game("77", "Brentford", "Arsenal"))
    link_matches(database, EPL, NOW)
    (suggestion,) = suggest_matches(database, EPL, NOW)
    assert suggestion.note == "home and away are exchanged; 77 is served: the bot's own id"
    assert served(database) == ["77"]


def test_names_that_the_archive_shows_as_two_clubs_are_not_linked(database: Engine) -> None:
    record(database, "csv:old.csv", game("o", "Milan", "AC Milan", NOW - 400 * DAY))
    record(database, "feed:a", game("a:1", "Milan", "Lecce"))
    record(database, "feed:b", game("b:1", "AC Milan", "Lecce"))
    matches = link_matches(database, EPL, NOW)
    assert (matches.links, matches.aliases) == ((), ())
    assert len(matches.refuted) == 1
    assert served(database) == ["a:1"]


def test_separate_games_refuses_what_is_no_pair(two_feeds: Engine) -> None:
    link_matches(two_feeds, EPL, NOW)
    with pytest.raises(ValidationError, match="OTHER"):
        separate_games(two_feeds, EPL, "77", "77", source="test", now=NOW)
    with pytest.raises(ResourceNotFoundError, match="EPL has no game '9'"):
        separate_games(two_feeds, EPL, "77", "9", source="test", now=NOW)
    with pytest.raises(ConflictError, match="a:1 and b:1 are linked in EPL"):
        separate_games(two_feeds, EPL, "a:1", "b:1", source="test", now=NOW)


def test_a_linked_game_keeps_its_link_when_it_is_separated_from_a_third_one(two_feeds: Engine) -> None:
    link_matches(two_feeds, EPL, NOW)
    record(two_feeds, "feed:c", game("c:1", "Man United", "The Wanderers"))
    assert separate_games(two_feeds, EPL, "a:1", "c:1", source="test", now=NOW + MINUTE)
    assert ("a:1", "77") in links(two_feeds)
