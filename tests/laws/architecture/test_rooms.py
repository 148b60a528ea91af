"""Laws of the code itself: imports between rooms, no clock below entry points, no pickle, portable SQL, no broad handler."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[3]
ROOMS = ("core", "feature_store", "training", "serving", "flows", "migrations")
ENTRY_POINTS = {"core/clock.py"}
MOST_FILES = 14
ONE_FILE_EACH = {"flows/cli/commands", "migrations/versions"}
"""Folders that grow with what the product offers, or with each change of the schema, one file for each."""
CLOCKS = {"now", "utcnow", "today", "time"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def test_imports_keep_to_the_contracts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_no_folder_holds_more_files_than_a_reader_can_survey() -> None:
    files = Counter(
        str(path.parent.relative_to(ROOT)) for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.py")
    )
    crowded = {folder: count for folder, count in files.items() if count > MOST_FILES}
    assert set(crowded) <= ONE_FILE_EACH, crowded


def test_the_present_is_read_in_one_place_only() -> None:
    """``SystemClock`` alone reads the machine's clock. (``time.monotonic`` measures durations.)"""
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
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("clock.now")
    }
    assert {name for name in asked if not name.startswith("serving/")} <= {"flows/cli/commands/collect.py"}
    made = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "SystemClock"
    }
    assert made <= {
        "flows/cli/session.py",
        "flows/cli/commands/collect.py",
        "flows/cli/commands/serve.py",
        "flows/cli/commands/demo.py",
        "flows/deployments.py",
        "serving/app.py",
    }


SETTINGS_READERS = {
    "flows/cli/session.py": "every command",
    "flows/cli/demo.py": "the demo, with settings of its own",
    "flows/deployments.py": "every flow that Prefect starts",
    "core/registry/pyfunc.py": "a notebook, in which MLflow's call is the first of this project",
}
"""The outermost entry points, which alone read the settings; below them they are passed on."""


def test_only_the_outermost_entry_points_read_the_settings() -> None:
    read = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("load_settings", "Settings")
    }
    assert read == {*SETTINGS_READERS, "core/settings.py"}


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
    """MySQL 8 has no RETURNING, and a formatted string inside text() invites injection."""
    for name, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert not called.endswith(".returning"), f"{name}:{node.lineno}"
            if called.split(".")[-1] in ("text", "exec_driver_sql") and node.args:
                assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"{name}:{node.lineno}"


BOUNDARIES = {
    ("flows/jobs/training.py", "train_leagues"): "one league's error, whatever it is, must not stop the other leagues",
    ("flows/cli/commands/doctor.py", "run"): "one check's error, whatever it is, must not end the other checks",
    ("serving/backends/database.py", "connect"): "every failure to connect counts for the circuit breaker; re-raised",
    (
        "serving/http/middleware.py",
        "__call__",
    ): "the outermost layer answers whatever error is left as a problem document",
    ("serving/runtime/periodic_thread.py", "_run"): "a background thread must survive an error of one of its steps",
}
"""The only places that may catch every exception, by file and function, and why. Each says ``except Exception``."""


CLEANUPS = {
    ("core/registry/tracking/client.py", "registering"): "deletes MLflow's version if it is not recorded; re-raised",
}
"""Callbacks of an ExitStack that run at any error: none of them ends it."""


def test_no_handler_swallows_everything() -> None:
    caught = {
        (name, function)
        for name, tree in sources()
        for function, node in nodes_by_function(tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type)
    }
    assert caught == BOUNDARIES.keys()


def test_no_boundary_is_disguised() -> None:
    """A context manager whose exit returns true, ``suppress(Exception)`` and ExitStack's callbacks catch all, too."""
    disguised = {
        (name, function)
        for name, tree in sources()
        for function, node in nodes_by_function(tree)
        if is_swallowing_exit(function, node) or is_broad_suppress(node) or is_exit_callback(node)
    }
    assert disguised == CLEANUPS.keys()


def nodes_by_function(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node with the name of the innermost function around it."""
    for node in ast.iter_child_nodes(tree):
        yield function, node
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from nodes_by_function(node, inner)


def is_broad(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(one is None or ast.unparse(one).split(".")[-1] in ("Exception", "BaseException") for one in kinds)


def is_swallowing_exit(function: str, node: ast.AST) -> bool:
    """A return in ``__exit__`` of anything but None and False."""
    if function not in ("__exit__", "__aexit__") or not isinstance(node, ast.Return) or node.value is None:
        return False
    return not (isinstance(node.value, ast.Constant) and node.value.value in (None, False))


def is_broad_suppress(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] == "suppress"
        and any(is_broad(kind) for kind in node.args)
    )


def is_exit_callback(node: ast.AST) -> bool:
    """A callback of an ExitStack in a ``with`` statement, which runs at any error like a broad handler."""
    if not isinstance(node, ast.With | ast.AsyncWith):
        return False
    stacks = {
        ast.unparse(item.optional_vars)
        for item in node.items
        if item.optional_vars is not None and ast.unparse(item.context_expr).endswith("ExitStack()")
    }
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("callback", "push", "push_async_callback", "push_async_exit")
        and ast.unparse(call.func.value) in stacks
        for call in ast.walk(node)
    )


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n def __exit__(self, *error):\n  log(error)\n  return True",
        "class A:\n def __exit__(self, kind, *_):\n  return kind is not None",
        "with suppress(ValueError, Exception):\n pass",
        "with contextlib.suppress(BaseException):\n pass",
        "with ExitStack() as undo:\n undo.callback(log)\n work()\n undo.pop_all()",
        "with contextlib.ExitStack() as undo:\n undo.push(swallow)",
    ],
)
def test_the_law_recognises_disguises(code: str) -> None:
    nodes = list(nodes_by_function(ast.parse(code)))
    assert any(
        is_swallowing_exit(name, node) or is_broad_suppress(node) or is_exit_callback(node) for name, node in nodes
    )
