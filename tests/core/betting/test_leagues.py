"""Leagues are found in any spelling, added by configuration, and a wrong file is one sentence."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, League, Leagues, canonical_sport, load_leagues
from core.errors import ConfigurationError, DataIntegrityError, ResourceNotFoundError
from core.text.nearest import nearest


def configured(tmp_path: Path, text: str) -> Leagues:
    path = tmp_path / "leagues.toml"
    path.write_text(text)
    return load_leagues(path)


def test_every_built_in_league_is_found_by_all_its_names_alone() -> None:
    names = [name.casefold() for league in BUILT_IN for name in league.names]
    assert len({league.key for league in BUILT_IN}) == len(BUILT_IN)
    assert {name for name in names if names.count(name) > 1} <= {league.key.casefold() for league in BUILT_IN}
    feed = [(league.sport, league.upstream_id) for league in BUILT_IN]
    assert len(set(feed)) == len(feed)


@pytest.mark.parametrize("name", ["EPL", "epl", " Premier League ", "ENGLISH PREMIER LEAGUE"])
def test_a_league_is_found_in_any_case_and_spelling(name: str, leagues: Leagues) -> None:
    assert leagues.get(name).key == "EPL"


@pytest.mark.parametrize(("name", "suggested"), [("EPPL", "EPL"), ("bundes liga", "BUNDESLIGA"), ("nflx", "NFL")])
def test_an_unknown_league_is_refused_with_the_nearest(name: str, suggested: str, leagues: Leagues) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        leagues.get(name)
    assert repr(name) in refused.value.message
    assert suggested in refused.value.nearest
    assert suggested in str(refused.value)


def test_nothing_near_suggests_nothing(leagues: Leagues) -> None:
    assert nearest("東京", ["EPL", "NFL"]) == nearest("", ["EPL"]) == nearest("EPL", []) == ()


@given(name=st.text(max_size=20))
def test_any_text_is_a_league_or_refused_with_leagues_that_exist(name: str) -> None:
    leagues = Leagues(BUILT_IN)
    try:
        offered: tuple[str, ...] = (leagues.get(name).key,)
    except ResourceNotFoundError as error:
        offered = error.nearest
    assert set(offered) <= {league.key for league in BUILT_IN}


def test_a_league_is_found_only_in_its_own_sport(leagues: Leagues) -> None:
    assert leagues.at("American-Football", "nfl").key == "NFL"
    with pytest.raises(ResourceNotFoundError, match="NFL is not a soccer league") as refused:
        leagues.at("soccer", "NFL")
    assert refused.value.nearest == ("american_football/NFL",)


@pytest.mark.parametrize(
    ("spelling", "sport"),
    [
        ("Football", "soccer"),
        ("soccer", "soccer"),
        ("American-Football", "american_football"),
        ("american_football", "american_football"),
        ("AMERICAN FOOTBALL", "american_football"),
        ("Hockey", "ice_hockey"),
        ("Ice-Hockey", "ice_hockey"),
        ("australian  football", "afl"),
        ("Formula-1", "formula_1"),
        ("kabaddi", "kabaddi"),
    ],
)
def test_the_bots_spellings_of_a_sport_are_one(spelling: str, sport: str) -> None:
    assert canonical_sport(spelling) == sport
    assert canonical_sport(sport) == sport


@pytest.mark.parametrize(
    ("sport", "league_id", "name", "key"),
    [
        ("Football", 39, None, "EPL"),
        ("Football", "39", "whatever", "EPL"),
        ("Football", " 39 ", None, "EPL"),
        ("Football", "39", "Premier League", "EPL"),
        ("Football", "²", "EPL", "EPL"),
        ("Football", "²", None, None),
        ("Football", "39.0", None, None),
        ("Football", "-39", None, None),
        ("Football", "", "La Liga", "LALIGA"),
        ("Football", None, "La Liga", "LALIGA"),
        ("Football", 999_999, "epl", "EPL"),
        ("Football", 999_999, "English Premier League", "EPL"),
        ("Football", 999_999, "Premier League of Nowhere", None),
        ("Basketball", 12, None, "NBA"),
        ("Basketball", 39, "EPL", None),
        ("Baseball", 1, None, "MLB"),
        ("American-Football", 1, None, "NFL"),
        ("Chess", 1, None, None),
    ],
)
def test_a_row_of_the_feed_finds_its_league_by_id_within_the_sport_and_else_by_a_name_of_its_own(
    sport: str, league_id: str | int | None, name: str | None, key: str | None, leagues: Leagues
) -> None:
    found = leagues.of_feed(sport, league_id, name)
    assert (found.key if found else None) == key


@pytest.mark.parametrize(
    ("league_id", "name"),
    [
        ("235", "Premier League"),
        ("218", "Bundesliga"),
        ("242", "Serie A"),
        ("265", "Primera Division"),
        ("202", "ligue 1"),
        ("", "Premier League"),
        (None, "Serie A"),
    ],
)
def test_a_name_that_several_countries_share_means_no_league_without_its_id(
    league_id: str | None, name: str, leagues: Leagues
) -> None:
    assert leagues.of_feed("Football", league_id, name) is None
    recorded = int(league_id) if league_id else None
    assert leagues.of_feed("Football", None, name, recorded) is None


@pytest.mark.parametrize(
    ("sport", "league_id", "name", "key"),
    [
        ("Hockey", "1", "NHL", "NHL"),
        ("Baseball", "1", "KBO", "KBO"),
        ("Basketball", "1", "NBA", "NBA"),
        ("Football", "39", "La Liga", "LALIGA"),
    ],
)
def test_a_league_id_left_over_from_an_overwritten_row_yields_to_the_name(
    sport: str, league_id: str, name: str, key: str, leagues: Leagues
) -> None:
    found = leagues.of_feed(sport, league_id, name)
    assert found is leagues.get(key)


def test_the_id_in_upstreams_own_record_decides(leagues: Leagues) -> None:
    assert leagues.of_feed("Basketball", "1", "NBA", 12) is leagues.get("NBA")
    assert leagues.of_feed("Football", "140", "Premier League", 39) is leagues.get("EPL")
    assert leagues.of_feed("Football", "39", "Premier League", 235) is None
    assert leagues.of_feed("Football", "71", "Serie A", 71) is leagues.get("BRAZIL_SERIE_A")


@pytest.mark.parametrize(
    ("league_id", "name", "recorded_id"), [("12", "EuroLeague", 12), ("12", "NBA", 1), (None, "WNBA", 12)]
)
def test_upstreams_id_of_one_league_under_the_name_of_another_is_refused(
    league_id: str | None, name: str, recorded_id: int, leagues: Leagues
) -> None:
    with pytest.raises(DataIntegrityError, match=f"league id {recorded_id} is .*, but league_name '{name}' means"):
        leagues.of_feed("Basketball", league_id, name, recorded_id)


def test_an_id_beside_a_shared_name_of_another_league_is_refused(leagues: Leagues) -> None:
    with pytest.raises(DataIntegrityError, match="league id 39 is EPL, but league_name 'Serie A' means SERIEA"):
        leagues.of_feed("Football", "39", "Serie A")


def test_a_league_of_a_sport_never_seen_needs_two_lines(tmp_path: Path) -> None:
    leagues = configured(tmp_path, '[KABADDI]\nsport = "kabaddi"\n')
    league = leagues.at("Kabaddi", "kabaddi")
    assert (league.outcomes, league.ties, league.scores, league.duration) == (2, "push", "points", timedelta(hours=3))
    assert leagues.get("EPL").sport == "soccer"


def test_a_configured_league_takes_every_field_and_replaces_a_built_in_one(tmp_path: Path) -> None:
    leagues = configured(
        tmp_path,
        """
        [SUPERRUGBY]
        sport = "Rugby"
        outcomes = 3
        title = "Super Rugby Pacific"
        aliases = ["Super 15"]
        upstream_id = 71
        duration_hours = 2.5
        scores = "points"
        """,
    )
    league = leagues.get("super 15")
    assert (league.key, league.sport, league.outcomes, league.ties) == ("SUPERRUGBY", "rugby", 3, "draw")
    assert league.duration == timedelta(hours=2, minutes=30)
    assert leagues.of_feed("rugby", 71, None) is league
    assert leagues.of_feed("rugby", 1, None) is None


def test_a_sport_in_the_bots_spelling_is_reached_from_the_feed(tmp_path: Path) -> None:
    leagues = configured(tmp_path, '[SHL]\nsport = "Hockey"\nupstream_id = 47\n')
    assert leagues.at("hockey", "SHL") is leagues.of_feed("ice-hockey", 47, None) is leagues.get("SHL")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[OTHER]\nsport = "soccer"\noutcomes = 3\naliases = ["EPL"]\n', r"\[OTHER\] 'epl' is a name of EPL"),
        ('[OTHER]\nsport = "soccer"\noutcomes = 3\ntitle = " PREMIER league"\n', "'premier league' is a name of EPL"),
        ('[OTHER]\nsport = "Soccer"\noutcomes = 3\nupstream_id = 39\n', "upstream_id 39 is that of EPL"),
        ('[A]\nsport = "kabaddi"\naliases = ["Pro"]\n[B]\nsport = "chess"\naliases = ["PRO"]\n', "'pro' is a name of"),
        ('[A]\nsport = "kabaddi"\nupstream_id = 1\n[B]\nsport = "kabaddi"\nupstream_id = 1\n', "that of B"),
        ('[A]\nsport = "kabaddi"\naliases = ["b"]\n[B]\nsport = "chess"\n', "'b' is a name of B"),
    ],
)
def test_a_league_that_takes_anothers_name_or_id_is_refused(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=named):
        configured(tmp_path, text)


def test_a_league_of_another_sport_may_have_the_same_id(tmp_path: Path) -> None:
    leagues = configured(tmp_path, '[PRO]\nsport = "kabaddi"\nupstream_id = 39\n')
    assert (leagues.get("PRO").upstream_id, leagues.get("EPL").upstream_id) == (39, 39)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[KABADDI]\n", r"\[KABADDI\] sport: Field required"),
        ('[KABADDI]\nsport = "käse"\n', r"\[KABADDI\] sport: .*read 'käse'"),
        ('[KABADDI]\nsport = "kabaddi"\noutcomes = 4\n', r"\[KABADDI\] outcomes: .*read 4"),
        ('[KABADDI]\nsport = "kabaddi"\nties = "toss"\n', r"\[KABADDI\] ties: .*read 'toss'"),
        ('[KABADDI]\nsport = "kabaddi"\nties = "draw"\n', r"\[KABADDI\] rules: .*outcomes = 3 goes with"),
        ('[KABADDI]\nsport = "kabaddi"\nscore = "goals"\n', r"\[KABADDI\] score: Extra inputs"),
        ('[KABADDI]\nsport = "kabaddi"\nduration_hours = "two"\n', r"\[KABADDI\] duration_hours: .*read 'two'"),
        ('[KABADDI]\nsport = "kabaddi"\nduration_hours = -1\n', r"\[KABADDI\] duration_hours: .*read -1"),
        ('[KABADDI]\nsport = "kabaddi"\nduration_hours = inf\n', r"\[KABADDI\] duration_hours: .*read inf"),
        ('[KABADDI]\nsport = "kabaddi"\nduration_hours = nan\n', r"\[KABADDI\] duration_hours: .*read nan"),
        ('[KABADDI]\nsport = "kabaddi"\nupstream_id = "x"\n', r"\[KABADDI\] upstream_id: .*read 'x'"),
        ('[KABADDI]\nsport = "kabaddi"\nupstream_id = -1\n', r"\[KABADDI\] upstream_id: .*read -1"),
        ('[KABADDI]\nsport = "kabaddi"\nupstream_id = true\n', r"\[KABADDI\] upstream_id: .*read True"),
        ('[KABADDI]\nsport = "kabaddi"\naliases = ["a\\u0000b"]\n', r"\[KABADDI\] aliases: .*U\+0000"),
        ('[KABADDI]\nsport = "kabaddi"\naliases = [" "]\n', r"\[KABADDI\] aliases: .*0 characters"),
        ('[KABADDI]\nsport = "kabaddi"\ntitle = "\\u001b[2J"\n', r"\[KABADDI\] title: .*U\+001B"),
        ('[kabaddi]\nsport = "kabaddi"\n', "'kabaddi' must be a table whose name is upper-case"),
        ('sport = "kabaddi"\n', "'sport' must be a table"),
        ("[KABADDI\n", "cannot read"),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_league(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        configured(tmp_path, text)
    assert refused.value.message.startswith("LEAGUES_FILE: ")
    assert "leagues.toml" in refused.value.message
    assert len(refused.value.message.splitlines()) == 1


def test_a_league_says_when_its_seasons_change_or_leaves_it_open(tmp_path: Path) -> None:
    leagues = configured(tmp_path, '[A]\nsport = "soccer"\nseason_start = "03-15"\n[B]\nsport = "soccer"\n')
    assert [leagues.get(key).season_start for key in ("A", "B", "EPL", "MLB")] == ["03-15", None, "08-01", "01-01"]
    assert all(league.season_start for league in BUILT_IN)
    replaced = configured(tmp_path, '[MLS]\nsport = "soccer"\n[NHL]\nsport = "hockey"\nseason_start = "09-01"\n')
    assert [replaced.get(key).season_start for key in ("MLS", "NHL")] == ["01-01", "09-01"]


@pytest.mark.parametrize("value", ['"13-01"', '"02-29"', '"8-1"', '"August"', "8", '"2019-08-01"', '""'])
def test_a_day_that_not_every_year_has_is_no_start_of_a_season(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\[A\] season_start: ") as refused:
        configured(tmp_path, f'[A]\nsport = "soccer"\nseason_start = {value}\n')
    assert len(refused.value.message.splitlines()) == 1


def test_a_file_that_is_missing_or_no_text_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'[A]\nsport = "\xff"\n')
    for path in (tmp_path / "none", tmp_path / "latin", tmp_path):
        with pytest.raises(ConfigurationError, match="LEAGUES_FILE: cannot read"):
            load_leagues(path)


def test_without_a_file_there_are_the_built_in_leagues() -> None:
    assert {league.key for league in load_leagues(None)} == {league.key for league in BUILT_IN}


def test_a_game_takes_time() -> None:
    with pytest.raises(ValueError, match="duration"):
        League(key="X", sport="x", duration=timedelta(0))
