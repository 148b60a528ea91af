"""A file is replaced as a whole: no reader sees a part of it, and a failure leaves the old one."""

import os
from pathlib import Path

import pytest

from core.files.atomic import atomic_file, write_file


def test_content_and_permissions_are_those_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"secret", mode=0o600)
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    write_file(path, b"open to all", durable=False)
    assert path.read_bytes() == b"open to all"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_old_file_is_there_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_inside_the_block_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _interrupted(path: Path) -> None:
    with atomic_file(path) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt


def test_what_the_disk_refuses_goes_to_the_caller_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "no folder" / "file", b"content")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_file(tmp_path / "folder", b"content", durable=False)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_two_writers_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic_file(path) as first, atomic_file(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first", "the one that ends last stays"
