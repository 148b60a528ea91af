"""Files that people write are read whatever mark their editor begins them with; what is no file is refused at once."""

import codecs
import os
from pathlib import Path

import pytest

from core.betting.leagues import load_leagues
from core.errors import ConfigurationError, ValidationError
from core.files.text import open_regular, read_toml

TOML = '[RUGBYX]\nsport = "rugby"\noutcomes = 2\nties = "push"\ntitle = "Śląsk Ω"\n'


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_text(mark: bytes, encoding: str, line_end: str, tmp_path: Path) -> None:
    path = tmp_path / "leagues.toml"
    path.write_bytes(mark + TOML.replace("\n", line_end).encode(encoding))
    assert read_toml(path)["RUGBYX"]["title"] == "Śląsk Ω"
    assert load_leagues(path).get("RUGBYX").title == "Śląsk Ω"


def test_a_pipe_a_folder_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, found in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), (Path("/dev/zero"), "a device")):
        with pytest.raises(ValidationError, match=f"expected a file, found {found}"):
            open_regular(path)
    with pytest.raises(ConfigurationError, match=r"LEAGUES_FILE: cannot read .*pipe: expected a file"):
        load_leagues(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("content", "named"),
    [(b'a = "\xff"', "not TOML"), (b"a = " + b"[" * 100_000, "not TOML"), (b"#" * (5 << 20), "larger than 4 MiB")],
)
def test_what_is_no_toml_is_named(content: bytes, named: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(ValidationError, match=rf"x\.toml: {named}"):
        read_toml(tmp_path / "x.toml")
