"""Hatch's build hook: in wheels the rooms stand below one package, so that no name of theirs meets a user's own.

A wheel holds ``dbsbm_predictions/core`` and so on, whose imports of rooms begin with that name, too; nothing else is
changed, so the lines of a traceback are those of the repository. An editable install keeps the rooms where they are and
gets ``checkout_alias.py``, which makes the same names lead to them.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PREFIX = "dbsbm_predictions"
ALIAS = "deploy/wheel/checkout_alias.py"


class PrefixError(Exception):
    """A line that would mean something else, or nothing, below the prefix."""


class PrefixHook(BuildHookInterface[Any]):
    """Lays the rooms below the prefix; ``rooms`` in pyproject.toml names them."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the package that the wheel of this kind (``standard`` or ``editable``) holds."""
        if version == "editable":
            build_data["force_include_editable"][ALIAS] = f"{PREFIX}/__init__.py"
            return
        self._laid = TemporaryDirectory(prefix="dbsbm-wheel-")
        lay_rooms(Path(self.root), Path(self._laid.name), frozenset(self.config["rooms"]))
        build_data["force_include"][self._laid.name] = PREFIX

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Delete what was laid for the wheel."""
        if version != "editable":
            self._laid.cleanup()


def lay_rooms(root: Path, target: Path, rooms: frozenset[str]) -> None:
    """Copy the rooms of a checkout below ``target``, the package of the wheel, with prefixed imports.

    Raises PrefixError with file and line for code that names a room in a way that no prefix can reach.
    """
    (target / "__init__.py").write_text('"""Predictions for a sports-betting bot."""\n')
    for room in sorted(rooms):
        shutil.copytree(root / room, target / room, ignore=shutil.ignore_patterns("__pycache__"))
    modules = {module_name(path, target) for path in target.rglob("*.py")}
    for path in sorted(target.rglob("*.py")):
        try:
            path.write_bytes(with_prefix(path.read_bytes(), rooms, modules))
        except PrefixError as error:
            raise PrefixError(f"{path.relative_to(target)}:{error}") from None


def module_name(path: Path, root: Path) -> str:
    """The dotted name under which a file below ``root`` is imported."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def with_prefix(source: bytes, rooms: frozenset[str], modules: set[str]) -> bytes:
    """The source with every absolute import of a room prefixed, line by line as it was.

    Raises PrefixError for ``import core.clock``, which would bind another name, and for a string that is a module's
    name: at run time it would lead out of the package.
    """
    lines = source.splitlines(keepends=True)
    edits: list[tuple[int, int, int, bytes]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module and _room(node.module) in rooms:
            written = re.match(rb"from\s+(?=\w)", lines[node.lineno - 1][node.col_offset :])
            if written is None:
                raise PrefixError(f"{node.lineno}: write {node.module} on the line of `from`")
            begin = node.col_offset + written.end()
            edits.append((node.lineno - 1, begin, begin, f"{PREFIX}.".encode()))
        elif isinstance(node, ast.Import):
            edits.extend(_import_edits(node, rooms))
        elif isinstance(node, ast.Constant) and node.value in modules and "." in node.value:
            raise PrefixError(f"{node.lineno}: the string {node.value!r} names a module; derive it from __name__")
    for line, begin, end, text in sorted(edits, reverse=True):
        lines[line] = lines[line][:begin] + text + lines[line][end:]
    return b"".join(lines)


def _import_edits(node: ast.Import, rooms: frozenset[str]) -> Iterator[tuple[int, int, int, bytes]]:
    for name in node.names:
        if _room(name.name) not in rooms:
            continue
        if name.asname is None and "." in name.name:
            raise PrefixError(f"{name.lineno}: write `from … import …` instead of `import {name.name}`")
        bound = f" as {name.name}" if name.asname is None else ""
        end = name.col_offset + len(name.name)
        yield name.lineno - 1, name.col_offset, end, f"{PREFIX}.{name.name}{bound}".encode()


def _room(module: str) -> str:
    return module.partition(".")[0]
