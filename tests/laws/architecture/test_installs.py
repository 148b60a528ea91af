"""Whatever this project installs, for work, tests or benchmarks, is checked against a hash."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
INSTALLS = re.compile(r"\bpip (?:install|sync)\b")
BY_HASH = "--require-hashes"
OWN = "--no-deps"
"""The project itself, whose dependencies were installed before."""


def commands() -> list[tuple[str, str]]:
    """Every line of the Makefile and every list or string of words in code that installs packages."""
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = [("Makefile", line) for line in recipes]
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.List | ast.Tuple):
                words = (str(item.value) for item in node.elts if isinstance(item, ast.Constant))
                found.append((str(path.relative_to(ROOT)), " ".join(words)))
    return [(where, command) for where, command in found if INSTALLS.search(command)]


def test_nothing_is_installed_without_a_hash() -> None:
    found = commands()
    assert {where for where, _ in found} >= {"Makefile", "tests/bench/serving/lean.py", "tests/bench/serving/peers.py"}
    assert [(where, command) for where, command in found if BY_HASH not in command and OWN not in command] == []


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").rglob("*.txt")), ids=lambda path: path.stem)
def test_every_requirement_has_a_version_and_a_hash(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert packages
    assert [line for line in packages if "==" not in line or "--hash=sha256:" not in line] == []
