"""``dbsbm features list``: every feature, as a table for people, JSON for scripts or the page docs/features.md."""

from typing import Annotated, NamedTuple

import typer

from flows.output import AsJson, Output, table

PAGE = """# Features

Made of the docstrings by `dbsbm features list --markdown > docs/features.md`; change those, not this page.

A feature is a number known before a game starts. `results` and `prices` are the feature sets that recipes learn from.
Outside its range a feature is refused before training (`feature_store/quality_bounds.py`); "may be missing" means
that it is NaN where it is not known.
"""


class Listed(NamedTuple):
    """One feature as it is listed."""

    name: str
    version: int
    sets: str
    range: str
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
    from feature_store.features import CATALOGUE, FEATURE_SETS

    return [
        Listed(
            item.name,
            item.version,
            " ".join(name for name, members in FEATURE_SETS.items() if item in members.features),
            _range(item.name),
            " ".join(item.meaning.split()),
        )
        for item in CATALOGUE.values()
    ]


def _range(name: str) -> str:
    from feature_store.quality_bounds import BOUNDS

    bounds = BOUNDS.get(name)
    if bounds is None:
        return "finite, may be missing"
    return f"{bounds.low:,g} to {bounds.high:,g}{', may be missing' if bounds.may_be_missing else ''}"


def _page(listed: list[Listed]) -> str:
    header = ("Feature", "Version", "Sets", "Range", "Meaning")
    cells = [header, tuple("---" for _ in header), *((f"`{item.name}`", *map(str, item[1:])) for item in listed)]
    return PAGE + "\n" + "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)
