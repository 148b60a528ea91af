"""Games whose ids an archive took in before it checked them are not served; the others of the league are."""

from dataclasses import replace

from serving.games.slate import SlateTable, key_of
from tests.bench.serving.search import NOW, slate_of


def test_a_game_whose_id_has_a_control_character_is_left_out() -> None:
    first, second, *_ = slate_of(2).table.rows.values()
    faulty = replace(first, game=first.game._replace(game_id="1\n2"))
    table = SlateTable().with_leagues([faulty, second], {"EPL": NOW}, {"EPL"})
    assert list(table.rows) == [key_of(second)]
    assert [row.game.game_id for row in table.by_league["EPL"].nearest(second.game.home_team)] == [second.game.game_id]
