"""One encoding for a whole file: by its mark, by declaration, as UTF-8, or detected; never mixed inside a name."""

from pathlib import Path

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.csv.encoding import decode_text
from feature_store.sources.csv.reader import CsvReading, read_csv

HEADER = "league,game_id,game_date,home_team,away_team,home_score,away_score,referee\n"
GERMAN = "BUNDESLIGA,1,2001-07-28,Köln,Nürnberg,1,0,Jürgen Mößig\nBUNDESLIGA,2,2001-07-29,Mainz,Fürth,2,2,René Gräf\n"


def read(folder: Path, content: bytes) -> CsvReading:
    (folder / "games.csv").write_bytes(content)
    return read_csv(folder / "games.csv", Leagues(BUILT_IN))


def homes(reading: CsvReading) -> list[str]:
    return [game.home_team for batch in reading.batches.values() for game in batch.games]


@pytest.mark.parametrize(
    ("encoding", "detected"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-32", ""),
        ("cp1252", "cp1252"),
        ("utf-16-le", "utf_16_le"),
    ],
)
def test_a_file_is_read_in_its_encoding_which_is_reported_where_it_was_detected(
    encoding: str, detected: str, tmp_path: Path
) -> None:
    reading = read(tmp_path, (HEADER + GERMAN).encode(encoding))
    assert (homes(reading), list(reading.rejected)) == (["Köln", "Mainz"], [])
    assert reading.detected_encoding == detected


@pytest.mark.parametrize(
    "names",
    [
        "Atlético,Cádiz",
        "La Coruña,Málaga",
        "Malmö FF,Häcken",
        "Nott\u2019m Forest,Leeds",
        "Saint-Étienne,Nîmes",
        "Málaga,Leganés",
    ],
)
def test_a_few_names_of_western_europe_are_enough(names: str) -> None:
    decoded = decode_text((HEADER + f"X,1,2001-07-28,{names},1,0,x\n").encode("cp1252"))
    assert (names in decoded.text, decoded.encoding) == (True, "cp1252")


def test_one_damaged_byte_does_not_make_another_encoding_of_a_utf8_file(tmp_path: Path) -> None:
    text = (HEADER + GERMAN).encode()
    unread = text.replace("René".encode(), b"Ren\xe9")
    assert (homes(read(tmp_path, unread)), list(read(tmp_path, unread).rejected)) == (["Köln", "Mainz"], [])
    reading = read(tmp_path, text.replace("Fürth".encode(), b"F\xfcrth"))
    assert homes(reading) == ["Köln"]
    (item,) = reading.rejected
    assert (item.place, item.reason) == (
        "games.csv:3",
        "away_team: byte 0xFC is not utf-8; a mapping can declare another encoding",
    )
    assert "home_team=Mainz" in item.content


def test_an_encoding_that_cannot_be_detected_costs_the_names_that_need_it_and_is_read_by_declaration() -> None:
    polish = (HEADER + "X,1,2012-07-28,Śląsk Wrocław,Lech Poznań,1,0,x\n").encode("cp1250")
    assert decode_text(polish).has_strays
    assert "Śląsk Wrocław" in decode_text(polish, ("cp1250",)).text
    assert "Śląsk Wrocław" in decode_text(polish, ("utf-8", "cp1250")).text
    assert "Śląsk Wrocław" in decode_text(polish.decode("cp1250").encode(), ("utf-8", "cp1250")).text


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_declared_utf16_file_needs_no_mark(order: str) -> None:
    assert decode_text("Köln, Łódź".encode(order), ("utf-16",)).text == "Köln, Łódź"


@pytest.mark.parametrize("stray", [b"\x81", b"\x8d\x9d", b"\x90\x8f\x81"])
def test_bytes_of_no_encoding_in_a_cell_that_is_not_read_hide_no_encoding(stray: bytes, tmp_path: Path) -> None:
    reading = read(tmp_path, (HEADER + GERMAN).encode("cp1252").replace(b"Ren", b"Ren" + stray))
    assert (homes(reading), list(reading.rejected)) == (["Köln", "Mainz"], [])
    assert reading.detected_encoding == "cp1252"
