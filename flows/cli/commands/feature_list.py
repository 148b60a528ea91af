"""``dbsbm features list``: every feature, as a table for people, JSON for scripts or the page docs/features.md."""

from typing import Annotated, NamedTuple

import typer

from flows.cli.output import AsJson, Output, table

PAGE = """# Features

Made of the docstrings by `dbsbm features list --markdown > docs/features.md`; change those, not this page.

A feature is a number known before a game starts. `results` and `prices` are the feature sets that recipes learn from.
Outside its range a feature is refused before training; "may be missing" means that it is NaN where it is not known.
A feature with sports named is used in those only.
"""


class Listed(NamedTuple):
    """One feature as it is listed."""

    name: str
    version: int
    sets: str
    range: str
    sports: str
    meaning: str


def list_features(
    json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/features.md.")] = False,
) -> None:
    """Every feature with its version, sets, plausible range and meaning."""
    listed = _listed()
    rows = [(item.name, item.version, item.sets, item.meaning) for item in listed]
    Output(as_json=json).result(
        {"features": [item._asdict() for item in listed]},
        _page(listed) if markdown else table(("feature", "version", "sets", "meaning"), rows),
    )


def _listed() -> list[Listed]:
    from feature_store.features.catalogue import CATALOGUE
    from feature_store.features.sets import FEATURE_SETS

    return [
        Listed(
            item.name,
            item.version,
            " ".join(name for name, members in FEATURE_SETS.items() if item in members.features),
            f"{item.bounds.low:,g} to {item.bounds.high:,g}{', may be missing' if item.may_be_missing else ''}",
            " ".join(item.sports) or "all",
            " ".join(item.meaning.split()),
        )
        for item in CATALOGUE.values()
    ]


def _page(listed: list[Listed]) -> str:
    header = ("Feature", "Version", "Sets", "Range", "Sports", "Meaning")
    cells = [header, tuple("---" for _ in header), *((f"`{item.name}`", *map(str, item[1:])) for item in listed)]
    return PAGE + "\n" + "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)
