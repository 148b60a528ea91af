"""A process is identified by more than its number, which is reused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.registry import process_identity
from core.registry.bundles.files import SCRATCH_PREFIX, scratch_folder
from core.registry.process_identity import is_gone, this_process


def ended() -> str:
    """The name of a process that is no more."""
    command = [
        sys.executable,
        "-c",
        "from core.registry.process_identity import this_process; print(this_process())",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout.strip()


@pytest.mark.server
def test_one_that_runs_is_there_and_one_that_ended_is_gone() -> None:
    assert is_gone(this_process()) is False
    assert is_gone(ended()) is True


def test_another_process_of_the_same_number_is_another_process() -> None:
    host, boot, number, started = this_process().split(":")
    assert is_gone(f"{host}:{boot}:{number}:{int(started) - 1}") is True
    assert is_gone(f"{host}:another-boot:{number}:{started}") is True


@pytest.mark.parametrize("name", ["", "elsewhere:boot:1:2", "host:17"])
def test_of_another_machine_nothing_can_be_said(name: str) -> None:
    assert is_gone(name) is None


def test_without_a_proc_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process_identity, "PROC", tmp_path)
    process_identity._boot.cache_clear()
    assert is_gone(this_process()) is None
    process_identity._boot.cache_clear()


@pytest.mark.server
def test_what_a_killed_process_left_half_written_is_removed_at_the_next_write(tmp_path: Path) -> None:
    left, others = tmp_path / f"{SCRATCH_PREFIX}{ended()}-abc", tmp_path / f"{SCRATCH_PREFIX}elsewhere:boot:1:2-abc"
    left.mkdir()
    others.mkdir()
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as two:
        assert sorted(tmp_path.iterdir()) == sorted((one, two, others))
    assert list(tmp_path.iterdir()) == [others]
