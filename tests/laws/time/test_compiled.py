"""Compiled code is never older than its sources."""

import re
import shutil
from pathlib import Path

import pytest

from feature_store.history import compiled
from feature_store.history.compiled import SOURCES, cache_folder

ROOM = Path(compiled.__file__).parent


@pytest.mark.parametrize("name", SOURCES)
def test_a_change_of_any_compiled_source_leaves_the_old_code_behind(name: str, tmp_path: Path) -> None:
    for source in SOURCES:
        shutil.copy(ROOM / source, tmp_path)
    before = cache_folder(tmp_path)
    with (tmp_path / name).open("a") as file:
        file.write("# changed\n")
    assert cache_folder(tmp_path).name != before.name


def test_every_module_that_compiles_is_among_the_sources() -> None:
    users = {path.name for path in ROOM.glob("*.py") if re.search(r"\bcompiled\(|@compiled\b", path.read_text())}
    assert users <= set(SOURCES)
