"""A row is judged by the cells that are read: nothing else in a file costs a fact, whatever it looks like."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import ValidationError
from feature_store.archive.facts import FactBatch
from feature_store.sources.csv.mapping import OWN_LAYOUT, CsvMapping
from feature_store.sources.csv.mapping_file import read_mapping
from feature_store.sources.csv.reader import CsvReading, read_csv

MAPPING = """
[columns]
league = "Div"
game_date = "Date"
home_team = "Home"
away_team = "Away"
home_score = "HG"
away_score = "AG"
odds_home = "H"
odds_draw = "D"
odds_away = "A"
[constants]
season = 2003
[leagues]
E0 = "EPL"
[formats]
date = "%d/%m/%y"
"""
HEADER = "Div,Date,Home,Away,HG,AG,H,D,A,Referee"
FIRST = "E0,16/08/03,Arsenal,Everton,2,1,1.5,3.6,6.5,M Riley"
SECOND = "E0,17/08/03,Fulham,Chelsea,0,2,3.4,3.25,2.1,G Poll"


def mapping(folder: Path, extra: str = "") -> CsvMapping:
    (folder / "m.toml").write_text(MAPPING + extra)
    return read_mapping(folder / "m.toml")


def read(folder: Path, content: str | bytes, extra: str = "") -> CsvReading:
    path = folder / "season.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, Leagues(BUILT_IN), mapping=mapping(folder, extra))


def facts(reading: CsvReading) -> tuple[int, int, int]:
    batch = next(iter(reading.batches.values()), FactBatch())
    return len(batch.games), len(batch.results), len(batch.quotes)


def lines(*given: str) -> str:
    return "\n".join((HEADER, *given)) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        lines(FIRST + ",,,,", SECOND + ","),
        lines(FIRST.rpartition(",")[0], SECOND),
        lines(FIRST, ",,,,,,,,,", "", "   ", " , ,,", SECOND, ",,,"),
        lines(FIRST, SECOND).replace("Referee", ",,,"),
        lines(FIRST, SECOND).replace("Referee", "LB,LB,LB"),
        lines(FIRST, SECOND).replace("M Riley", '"Riley, M\nlate ""on"" the day"'),
        lines(FIRST, SECOND).replace("M Riley", 'six"feet'),
        lines(FIRST, SECOND).replace("\n", "\r\n"),
        lines(FIRST, SECOND).replace("\n", "\r"),
        lines(FIRST, SECOND).rstrip("\n"),
        "\n\nSeason 2003,,,,\n" + lines(FIRST, SECOND),
        "\ufeff" + lines(FIRST) + "\ufeff" + lines(SECOND),
        lines(FIRST) + "Div,Date,Time,Home,Away,HG,AG,H,D,A,Referee\n" + SECOND.replace("17/08/03", "17/08/03,15:00"),
        lines(FIRST, SECOND).replace(",", " , "),
        lines(FIRST.replace("Arsenal", '"Arsenal"').replace(",2,", ', "2",'), SECOND),
        lines(FIRST, SECOND).replace("M Riley", "M\0Riley\x07"),
        lines(FIRST, SECOND).replace("M Riley", '"Mike" Riley'),
        lines(FIRST, SECOND).replace("Referee", "Referee,Time").replace("Poll", 'Poll,"15:00" "BST"'),
        lines(FIRST, SECOND) + "\x1a",
        lines(FIRST, SECOND) + "\0\0",
    ],
)  # fmt: skip
def test_what_is_not_read_costs_nothing(text: str, tmp_path: Path) -> None:
    reading = read(tmp_path, text)
    assert (facts(reading), reading.rows, list(reading.rejected)) == ((2, 2, 2), 2, [])


UNREAD = st.text(st.characters(exclude_characters=',"\n\r', exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(st.tuples(UNREAD, UNREAD, st.integers(0, 4)), min_size=2, max_size=2),
    name=UNREAD.filter(lambda name: name.strip("\ufeff \xa0") not in HEADER.split(",")),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_text_in_cells_that_are_not_read_changes_nothing(
    cells: list[tuple[str, str, int]], name: str, encoding: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [
        f"{row.rpartition(',')[0]},{first},{second}{',' * blank}"
        for row, (first, second, blank) in zip((FIRST, SECOND), cells, strict=True)
    ]
    text = "\n".join((f"{HEADER},{name}", *rows))
    reading = read(tmp_path_factory.mktemp("any"), text.encode(encoding))
    assert (facts(reading), reading.rows, list(reading.rejected)) == ((2, 2, 2), 2, [])


@pytest.mark.parametrize(
    ("line", "left", "reasons"),
    [
        ("E0,16/08/03,Arsenal,Everton,2,1,1.5", (2, 2, 1), ["odds_draw: the row ends before this cell"]),
        ("E0,16/08/03,Arsenal,Everton,2", (2, 1, 1), ["away_score is empty while the other side has one"]),
        ("E0,16/08/03,Arsenal,Everton", (2, 1, 1), []),
        ("E0,16/08/03,Arsenal", (1, 1, 1), ["away_team: the row ends before this cell"]),
        (FIRST + ",,9", (1, 1, 1), ["the row has 12 cells, the header 10"]),
        ('E0,16/08/03,Arsenal,Everton,2,1,1.5,3.6,6.5,"never closed', (2, 2, 2), []),
        ('E0,16/08/03,Arsenal,Everton,2,1,1.5,"3.6,6.5,x', (2, 2, 1), ["odds_draw: the quotes of the line do not close"]),
        ('E0,16/08/03,"Arsenal,Everton,2,1,1.5,3.6,6.5,x', (1, 1, 1), ["home_team: the quotes of the line do not close"]),
        ('"E0,16/08/03,Arsenal,Everton,2,1,1.5,3.6,6.5,x', (1, 1, 1), ["league: the quotes of the line do not close"]),
        (FIRST.replace(",1.5,3.6", ',1.5,"3.6" 7'), (2, 2, 1), ["odds_draw: text follows the closing quote of the cell"]),
        (FIRST.replace("Everton", '"Ever" ton'), (1, 1, 1), ["away_team: text follows the closing quote of the cell"]),
        (FIRST.replace("Arsenal", "Ars\0enal"), (1, 1, 1), ["home_team: has the control character U+0000 at position 4"]),
        (FIRST.replace("Arsenal", "Ars\x1b[2Jenal"), (1, 1, 1), ["home_team: has the control character U+001B at position 4"]),
        (FIRST.replace(",2,1,", ",2,1_0,"), (2, 1, 2), ["away_score: expected a whole number from 0 to 1000000, got '1_0'"]),
    ],
)  # fmt: skip
def test_damage_in_a_cell_that_is_read_costs_its_fact_alone_and_is_named(
    line: str, left: tuple[int, int, int], reasons: list[str], tmp_path: Path
) -> None:
    reading = read(tmp_path, lines(line, SECOND))
    assert (facts(reading), reading.rows) == (left, 2)
    assert [(item.place, item.reason) for item in reading.rejected] == [("season.csv:2", reason) for reason in reasons]


@pytest.mark.parametrize("referee", ['"Mike" Riley', '"M ""R"" Riley" ', "6'2\"", '"6\'2""', '"" M', '"M, Riley" jun.'])
def test_quotes_in_a_cell_that_is_not_read_cost_no_cell_behind_it(referee: str, tmp_path: Path) -> None:
    header = HEADER.replace("Div,", "Div,Referee,").removesuffix(",Referee")
    rows = [row.rpartition(",")[0].replace("E0,", f"E0,{referee},") for row in (FIRST, SECOND)]
    reading = read(tmp_path, "\n".join((header, *rows)))
    assert (facts(reading), reading.rows, list(reading.rejected)) == ((2, 2, 2), 2, [])


def test_a_thousand_open_quotes_cost_no_other_line(tmp_path: Path) -> None:
    bad = 'E0,16/08/03,"Arsenal,Everton,2,1,1.5,3.6,6.5,x"y'
    reading = read(tmp_path, lines(*[bad] * 1000, SECOND))
    assert (facts(reading), reading.rows, len(reading.rejected)) == ((1, 1, 1), 1001, 1000)


def test_a_name_that_is_read_may_not_stand_twice(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"m\.toml: \[columns\] odds_home = 'H': .*column H is twice"):
        read(tmp_path, lines(FIRST).replace("Referee", "H"))


@pytest.mark.parametrize(("delimiter", "declared"), [(";", '";"'), ("\t", '"\\t"'), ("|", '"|"')])
def test_other_delimiters_are_read_by_declaration(delimiter: str, declared: str, tmp_path: Path) -> None:
    text = lines(FIRST, SECOND).replace(",", delimiter)
    assert facts(read(tmp_path, text, f"delimiter = {declared}")) == (2, 2, 2)
    assert facts(read(tmp_path, f"sep={delimiter}\r\n{text}")) == (2, 2, 2)
    with pytest.raises(
        ValidationError, match=r"if .* parts its cells, declare that in a mapping: \[formats\] delimiter"
    ):
        read(tmp_path, text)


def test_decimal_commas_are_read_by_declaration_only(tmp_path: Path) -> None:
    text = lines(FIRST, SECOND).replace(",", ";").replace(".", ",")
    declared = 'delimiter = ";"\ndecimal = ","'
    batch = next(iter(read(tmp_path, text, declared).batches.values()))
    assert [(quote.odds_home, quote.odds_draw) for quote in batch.quotes] == [(1.5, 3.6), (3.4, 3.25)]
    assert facts(read(tmp_path, text, 'delimiter = ";"')) == (2, 2, 0)
    mixed = read(tmp_path, text.replace("3,25", "3.25"), declared)
    assert [item.reason for item in mixed.rejected] == [
        "odds_draw: expected a number, got '3.25 (not with a decimal comma)'"
    ]


@pytest.mark.parametrize(
    "word", ["NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "None", "-", "\N{EN DASH}", "", "  "]
)
def test_words_for_what_is_not_known_are_no_damage(word: str, tmp_path: Path) -> None:
    fixture = f"E0,16/08/03,Arsenal,Everton,{word},{word},{word},{word},{word},{word}"
    reading = read(tmp_path, lines(fixture, SECOND))
    assert (facts(reading), list(reading.rejected)) == ((2, 1, 1), [])
    own = "league,game_id,game_date,home_team,away_team,home_score,away_score,odds_home\n"
    (tmp_path / "own.csv").write_text(f"{own}EPL,1,2003-08-16,Arsenal,Everton,{word},{word},{word}\n")
    reading = read_csv(tmp_path / "own.csv", Leagues(BUILT_IN), mapping=OWN_LAYOUT)
    assert (facts(reading), list(reading.rejected)) == ((1, 0, 0), [])


def test_a_mapping_may_declare_its_own_words(tmp_path: Path) -> None:
    text = lines(FIRST.replace("1.5,3.6,6.5", "?,?,?"), SECOND.replace("Fulham", "NA"))
    reading = read(tmp_path, text, 'missing = ["?"]')
    assert (facts(reading), list(reading.rejected)) == ((2, 2, 1), [])
    assert {game.home_team for game in next(iter(reading.batches.values())).games} == {"Arsenal", "NA"}


def test_values_of_a_column_are_mapped_each_and_all_others(tmp_path: Path) -> None:
    layout = MAPPING.replace("[constants]", 'playoff = "Referee"\n[values.playoff]\nREG = 0\n"*" = 1\n[constants]')
    (tmp_path / "v.toml").write_text(layout)
    (tmp_path / "s.csv").write_text(
        lines(
            FIRST.replace("M Riley", "REG"),
            SECOND.replace("G Poll", "SB"),
            SECOND.replace("17/08", "18/08").replace("G Poll", ""),
        )
    )
    batch = next(
        iter(
            read_csv(tmp_path / "s.csv", Leagues(BUILT_IN), mapping=read_mapping(tmp_path / "v.toml")).batches.values()
        )
    )
    assert [game.playoff for game in batch.games] == [False, True, False]


def test_a_constant_total_line_makes_no_quote_of_its_own(tmp_path: Path) -> None:
    layout = MAPPING.replace('odds_away = "A"', 'odds_away = "A"\nodds_over = "Referee"').replace(
        "season = 2003", "season = 2003\ntotal_line = 2.5"
    )
    (tmp_path / "t.toml").write_text(layout)
    (tmp_path / "s.csv").write_text(lines(FIRST.replace("M Riley", "1.9"), "E0,17/08/03,Fulham,Chelsea,0,2,,,,"))
    batch = next(
        iter(
            read_csv(tmp_path / "s.csv", Leagues(BUILT_IN), mapping=read_mapping(tmp_path / "t.toml")).batches.values()
        )
    )
    assert [(quote.total_line, quote.odds_over) for quote in batch.quotes] == [(2.5, 1.9)]


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "season.csv")
    with pytest.raises(ValidationError, match=r"season\.csv: expected a file, found a pipe"):
        read_csv(tmp_path / "season.csv", Leagues(BUILT_IN))
