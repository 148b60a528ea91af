"""What must hold of the code itself: doors between rooms, no clock below entry points, no pickle, portable SQL."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[3]
ROOMS = ("core", "feature_store", "training", "serving", "flows", "migrations")
ENTRY_POINTS = {"core/clock.py"}
CLOCKS = {"now", "utcnow", "today", "time"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def test_imports_keep_to_the_doors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_the_present_is_read_in_one_place_only() -> None:
    """``SystemClock`` asks the machine; everything else is told. (``time.monotonic`` measures, it does not tell.)"""
    found = [
        f"{name}:{node.lineno} {ast.unparse(node.func)}"
        for name, tree in sources()
        if name not in ENTRY_POINTS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and ast.unparse(node.func.value) in ("datetime", "date", "time", "dt", "datetime.datetime")
    ]
    assert found == []


def test_only_entry_points_ask_the_clock() -> None:
    asked = {
        name.split("/")[0]
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("clock.now")
    }
    assert asked <= {"serving"}
    made = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "SystemClock"
    }
    assert made <= {
        "flows/cli/session.py",
        "flows/cli/commands/serve.py",
        "flows/cli/commands/demo.py",
        "flows/deployments.py",
        "serving/app.py",
    }


def test_no_pickle_comes_near_a_model_or_a_cache() -> None:
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    imported = {
        (name, alias.name)
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.name.split(".")[0] in banned or (isinstance(node, ast.ImportFrom) and node.module in banned)
    }
    assert imported == set()


def test_sql_is_portable_and_never_built_from_strings() -> None:
    """MySQL 8 has no RETURNING, and a formatted string inside text() is an injection waiting to happen."""
    for name, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert not called.endswith(".returning"), f"{name}:{node.lineno}"
            if called.split(".")[-1] in ("text", "exec_driver_sql") and node.args:
                assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"{name}:{node.lineno}"


def test_no_handler_swallows_everything() -> None:
    broad = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]
    assert broad == []
