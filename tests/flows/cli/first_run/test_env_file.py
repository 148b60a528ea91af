"""`.env` gets what it lacks, as it will be read, and loses nothing."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError
from flows.cli.first_run.env_file import UNWRITABLE, add_settings, read_env, with_settings

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")), max_size=40)
NAMES = ("DATABASE_URL", "REDIS_URL", "SIGNING_KEY", "ODDS_API_KEY")


@given(present=st.dictionaries(st.sampled_from(NAMES), VALUES), added=st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_what_is_written_is_read_and_what_was_there_stays(
    present: dict[str, str], added: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("env") / ".env"
    written = {**present, **added}
    if any(sign in value for value in written.values() for sign in UNWRITABLE):
        return
    path.write_text(with_settings("# ours\nLOG_LEVEL=INFO", present))
    before = {"LOG_LEVEL": "INFO", **present}
    assert read_env(path) == before
    names = add_settings(path, added)
    assert read_env(path) == {**before, **{name: value for name, value in added.items() if not before.get(name)}}
    assert path.read_text().startswith("# ours\nLOG_LEVEL=INFO")
    state = path.stat()
    assert set(names) <= set(added)
    assert add_settings(path, added) == []
    assert path.stat().st_mtime_ns == state.st_mtime_ns
    assert path.stat().st_ino == state.st_ino


@pytest.mark.parametrize("value", ["it's", "back\\slash", "${HOME}", "two\nlines", "carriage\rreturn"])
def test_a_value_that_the_file_cannot_hold_is_refused_and_the_file_stays(value: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("REDIS_URL=\n")
    with pytest.raises(ConfigurationError, match="ODDS_API_KEY") as caught:
        add_settings(path, {"ODDS_API_KEY": value})
    assert value not in str(caught.value)
    assert path.read_text() == "REDIS_URL=\n"
    assert [item.name for item in tmp_path.iterdir()] == [".env"]


def test_only_the_owner_may_read_the_file_and_a_link_to_it_stays(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "settings"
    real.parent.mkdir()
    real.write_text("\ufeffLOG_LEVEL=DEBUG\n", encoding="utf-8")
    real.chmod(0o644)
    link = tmp_path / ".env"
    link.symlink_to(real)
    assert add_settings(link, {"SIGNING_KEY": "s" * 32}) == ["SIGNING_KEY"]
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert read_env(link) == {"LOG_LEVEL": "DEBUG", "SIGNING_KEY": "s" * 32}


def test_two_runs_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    added: list[list[str]] = []
    begin = threading.Barrier(8)

    def add(number: int) -> None:
        begin.wait()
        added.append(add_settings(path, {"SIGNING_KEY": f"{number}" * 32, f"NAME_{number}": "x"}))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("SIGNING_KEY" in names for names in added) == 1
    assert {f"NAME_{number}" for number in range(8)} < read_env(path).keys()
