"""What no other test starts must still start: every bench and every row of faults and abuse."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import tests.bench
import tests.chaos

NAMES = [
    f"{package.__name__}.{module.name}"
    for package in (tests.bench, tests.chaos)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", NAMES)
def test_every_bench_and_every_row_can_be_imported(name: str) -> None:
    assert isinstance(importlib.import_module(name), ModuleType)
