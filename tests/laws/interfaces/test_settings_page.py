"""The page that documents the settings is the settings, room by room, and every field says what it is."""

import ast
import re
from pathlib import Path

from core import settings
from core.settings import (
    ClientSettings,
    CoreSettings,
    FeatureStoreSettings,
    FlowsSettings,
    RegistrySettings,
    ServingSettings,
    Settings,
)

PAGE = Path(__file__).parents[3] / ".env.example"
SECTIONS = {
    "core": CoreSettings,
    "core.registry": RegistrySettings,
    "feature_store": FeatureStoreSettings,
    "serving": ServingSettings,
    "serving.client": ClientSettings,
    "flows": FlowsSettings,
}


def test_every_setting_stands_in_the_example_and_nothing_else_does() -> None:
    named = set(re.findall(r"^#?([A-Z][A-Z_]+)=", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_example_lists_each_setting_under_its_room() -> None:
    _, *parts = re.split(r"^# == ([\w.]+) ==$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = {
        room: set(re.findall(r"^#?([A-Z][A-Z_]+)=", text, re.MULTILINE))
        for room, text in zip(parts[::2], parts[1::2], strict=True)
    }
    assert listed == {room: {name.upper() for name in model.model_fields} for room, model in SECTIONS.items()}


def test_every_setting_has_a_docstring() -> None:
    tree = ast.parse(Path(settings.__file__).read_text(encoding="utf-8"))
    documented = {
        field.target.id
        for model in tree.body
        if isinstance(model, ast.ClassDef)
        for field, text in zip(model.body, model.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    assert documented == set(Settings.model_fields)


def test_the_example_as_it_stands_is_valid(monkeypatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(PAGE.read_bytes())
    assert Settings().dbsbm_env == "development"
