"""The page of features is what the command makes of the docstrings."""

from pathlib import Path

from typer.testing import CliRunner

from feature_store.features.catalogue import CATALOGUE
from flows.cli.main import app

PAGE = Path(__file__).parents[3] / "docs" / "features.md"


def test_the_page_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["features", "list", "--markdown"])
    assert printed.exit_code == 0
    assert PAGE.read_text(encoding="utf-8") == printed.stdout, "run `dbsbm features list --markdown > docs/features.md`"


def test_every_feature_stands_on_the_page_with_its_meaning() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for item in CATALOGUE.values():
        [line] = [line for line in lines if line.startswith(f"| `{item.name}` | {item.version} |")]
        assert line.endswith(f"| {' '.join(item.meaning.split())} |")
