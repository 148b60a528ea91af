"""Mapping files: TOML with the tables ``[columns]``, ``[optional]``, ``[books]``, ``[constants]``, ``[leagues]``,
``[values]`` and ``[formats]``, which docs/data-scientists.md describes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic import ValidationError as PydanticValidationError

from core.errors import ResourceNotFoundError, ValidationError
from core.files.text import read_toml
from core.text.nearest import nearest
from feature_store.sources.csv.columns import COLUMNS, NEEDED, PRICES, CsvColumn
from feature_store.sources.csv.mapping import BookColumns, CsvMapping, Formats

READY_FOLDER: Final = Path(__file__).with_name("ready_mappings")
ENDING: Final = ".toml"


def _names(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise ValueError("expected the name of a column or a list of names")  # noqa: TRY004 - becomes pydantic's error
    return value


Cell = str | bool | int | float
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_names),
    Field(min_length=1),
]
"""What a file calls a column: one name, or several of which the first that it has is read."""


class _Layout(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    columns: dict[str, Names]
    optional: dict[str, Names] = {}
    books: dict[str, dict[str, Names | float]] = {}
    constants: dict[str, Cell] = {}
    leagues: dict[str, str] = {}
    values: dict[str, dict[str, Cell]] = {}
    formats: Formats = Formats()

    @model_validator(mode="after")
    def _complete(self) -> "_Layout":
        given = {*self.columns, *self.constants}
        missing = [name for name in NEEDED if name not in given and name != "game_id"]
        if not given & {"game_date", "kickoff", "kickoff_utc"}:
            missing.append("game_date (or kickoff, or kickoff_utc)")
        if missing:
            raise ValueError(f"[columns] lacks {', '.join(missing)}")
        for table, also, twice in (
            ("constants", "[columns]", set(self.columns) & set(self.constants)),
            ("optional", "[columns] or [constants]", set(self.optional) & {*self.columns, *self.constants}),
        ):
            if twice:
                raise ValueError(f"[{table}] {min(twice)} is in {also} too")
        return self

    @model_validator(mode="after")
    def _books_have_all_prices(self) -> "_Layout":
        if self.books and (outside := {*self.columns, *self.optional, *self.constants} & {*PRICES, "odds_kind"}):
            raise ValueError(f"{min(outside)} belongs in a table of [books], since the file has several books")
        for book, columns in self.books.items():
            numbers = [name for name, theirs in columns.items() if isinstance(theirs, float) and name != "total_line"]
            if numbers:
                raise ValueError(f"[books.{book}] {numbers[0]}: only total_line may be a number")
        return self


def read_mapping(path: Path) -> CsvMapping:
    """Read a mapping file.

    Raises ValidationError naming the file, the table, the key, and for an unknown key the nearest ones.
    """
    try:
        tables = read_toml(path)
    except ValidationError as error:
        raise ValidationError(error.message, field="mapping") from error
    try:
        layout = _Layout.model_validate(tables)
    except PydanticValidationError as error:
        raise _refused(path, *map(_in_words, error.errors())) from error
    for table, keys, allowed in _named_columns(layout):
        if unknown := [key for key in keys if key not in allowed]:
            raise _refused(path, f"[{table}] {unknown[0]}: unknown column{_nearest(unknown[0], allowed)}")
    return CsvMapping(
        str(path),
        [*_columns(layout.columns, required=True), *_columns(layout.optional, required=False)],
        {name: _cell(value) for name, value in layout.constants.items()},
        layout.leagues,
        {name: {theirs: _cell(ours) for theirs, ours in values.items()} for name, values in layout.values.items()},
        [_book(name, columns) for name, columns in layout.books.items()],
        layout.formats,
    )


def ready_mappings() -> dict[str, str]:
    """The names of the mappings that are part of this package, each with its title."""
    return {
        path.name.removesuffix(ENDING): str(read_toml(path).get("title", ""))
        for path in sorted(READY_FOLDER.glob(f"*{ENDING}"))
    }


def find_mapping(name: str) -> CsvMapping:
    """The ready mapping of that name, else the mapping file at that path.

    Raises ResourceNotFoundError with the nearest names if there is neither, and what ``read_mapping`` raises.
    """
    ready = READY_FOLDER / f"{name}{ENDING}"
    if "/" not in name and ready.is_file():
        return replace(read_mapping(ready), source=f"ready mapping {name}")
    if not Path(name).exists() and not name.endswith(ENDING):
        names = tuple(ready_mappings())
        raise ResourceNotFoundError(
            f"--mapping: there is no file and no ready mapping {name!r}.",
            hint=f"Ready mappings: {', '.join(names)}.",
            resource_type="mapping",
        )
    return read_mapping(Path(name))


def _named_columns(layout: _Layout) -> Iterable[tuple[str, Iterable[str], frozenset[str]]]:
    """Each table whose keys are our columns, and the columns that it may name."""
    return chain(
        (("columns", layout.columns, COLUMNS), ("optional", layout.optional, COLUMNS)),
        (("constants", layout.constants, COLUMNS), ("values", layout.values, COLUMNS)),
        ((f"books.{name}", columns, PRICES) for name, columns in layout.books.items()),
    )


def _columns(names: Mapping[str, tuple[str, ...]], *, required: bool) -> list[CsvColumn]:
    return [CsvColumn(ours, theirs, required) for ours, theirs in names.items()]


def _book(name: str, columns: Mapping[str, tuple[str, ...] | float]) -> BookColumns:
    read = {ours: theirs for ours, theirs in columns.items() if not isinstance(theirs, float)}
    line = columns.get("total_line")
    return BookColumns(name, _columns(read, required=False), repr(line) if isinstance(line, float) else "")


def _in_words(error: Any) -> str:
    """One of pydantic's errors in words, with its table and key."""
    keys = [*map(str, error["loc"]), "", ""]
    table = keys.pop(0)
    if table in ("books", "values") and keys[0]:
        table = f"{table}.{keys.pop(0)}"
    where = " ".join(part for part in (f"[{table}]" if table else "", keys[0]) if part)
    if error["type"] == "extra_forbidden":
        allowed = Formats.model_fields if error["loc"][0] == "formats" else _Layout.model_fields
        return f"{where}: unknown {'key' if keys[0] else 'table'}{_nearest(str(error['loc'][-1]), allowed)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}, got {error['input']!r}" if where else message


def _refused(path: Path, *complaints: str) -> ValidationError:
    return ValidationError(f"{path}: {'; '.join(complaints)}.", field="mapping")


def _nearest(name: str, allowed: Any) -> str:
    names = nearest(name, allowed)
    return f"; nearest: {', '.join(names)}" if names else ""


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
