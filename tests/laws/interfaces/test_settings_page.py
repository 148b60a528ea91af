"""The page that documents the settings is the settings."""

import re
from pathlib import Path

from core.settings import Settings

PAGE = Path(__file__).parents[3] / ".env.example"


def test_every_setting_stands_in_the_example_and_nothing_else_does() -> None:
    named = set(re.findall(r"^#?([A-Z][A-Z_]+)=", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_example_as_it_stands_is_valid(monkeypatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(PAGE.read_bytes())
    assert Settings().dbsbm_env == "development"
