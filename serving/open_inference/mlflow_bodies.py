"""Feature rows as MLflow's clients send them: named columns in, one table in the model's own order out.

Nothing is guessed: every column of the model must be there, no other may be, and a value is a number or null (NaN).
"""

import csv
import math
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final

import numpy as np
import orjson

from core.arrays import FloatArray
from core.errors import ValidationError

MOST_ROWS: Final = 1_000
MOST_COLUMNS: Final = 1_000

Columns = dict[str, Sequence[Any]]

ROW: Final[dict[str, Any]] = {"type": "array", "minItems": 1, "items": {"type": ["number", "null"]}}
RECORDS: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_ROWS,
    "items": {"type": "object", "additionalProperties": {"type": ["number", "null"]}},
}
SPLIT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        "data": {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": ROW},
    },
}
FORMS: Final[dict[str, Any]] = {
    "dataframe_split": SPLIT,
    "dataframe_records": RECORDS,
    "instances": RECORDS,
    "inputs": {"anyOf": [RECORDS, {"type": "object", "minProperties": 1, "additionalProperties": ROW}]},
}
"""JSON Schema of what may stand under each name; a request has exactly one of them."""

SCHEMA: Final[dict[str, Any]] = {
    "oneOf": [{"type": "object", "required": [name], "properties": {name: form}} for name, form in FORMS.items()]
}


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises ValidationError; NaN, Infinity and nesting without end are no JSON."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"body: not JSON ({error}).", field="body") from error
    if not isinstance(content, dict):
        raise ValidationError("body: expected an object.", field="body")
    return content


def listed(value: Any, field: str, most: int) -> list[Any]:
    """The value, if it is a list of 1 to ``most``. Raises ValidationError naming the field."""
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise ValidationError(f"{field}: expected a list of 1 to {most}.", field=field)
    return value


def of_mlflow(content: Mapping[str, Any]) -> Columns:
    """Columns of an MLflow request in any of its four forms. Raises ValidationError naming what is missing."""
    forms = [form for form in FORMS if form in content]
    if len(forms) != 1:
        msg = f"body: expected exactly one of {', '.join(FORMS)}."
        raise ValidationError(msg, field="body")
    (form,) = forms
    value = content[form]
    if form == "dataframe_split":
        return _of_split(value, form)
    if form == "inputs" and isinstance(value, dict):
        return {name: listed(column, f"inputs.{name[:40]}", MOST_ROWS) for name, column in value.items()}
    return _of_records(value, form)


def of_csv(body: bytes) -> Columns:
    """Columns of a table with a heading; an empty cell is not known. Raises ValidationError naming the place."""
    try:
        names, *rows = filter(None, csv.reader(StringIO(body.decode(), newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise ValidationError(f"body: not CSV with a heading ({error}).", field="body") from error
    numbers = [[_cell(cell, f"csv.data.{number}") for cell in row] for number, row in enumerate(rows)]
    return _of_split({"columns": names, "data": numbers}, "csv")


def arranged(columns: Columns, names: Sequence[str]) -> FloatArray:
    """The table of shape (rows, features) in the model's order, whatever order the columns came in.

    Raises ValidationError naming the columns that are missing or unknown, or the value that is no number.
    """
    missing, unknown = [name for name in names if name not in columns], sorted(columns.keys() - set(names))
    if missing or unknown:
        told = [f"missing {', '.join(missing[:5])}"] if missing else []
        told += [f"unknown {', '.join(name[:40] for name in unknown[:5])}"] if unknown else []
        hint = "GET /v2/models/{model} lists the columns."
        raise ValidationError(f"columns: {'; '.join(told)}.", field=(missing or unknown)[0][:120], hint=hint)
    lengths = {len(columns[name]) for name in names}
    if len(lengths) != 1:
        raise ValidationError("columns: not all of one length.", field="columns")
    return np.array([[_number(value, name) for value in columns[name]] for name in names], dtype=np.float64).T


def _of_split(value: Any, form: str) -> Columns:
    names = listed(value.get("columns") if isinstance(value, dict) else None, f"{form}.columns", MOST_COLUMNS)
    rows = listed(value.get("data"), f"{form}.data", MOST_ROWS)
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        field = f"{form}.columns"
        raise ValidationError(f"{field}: expected the names of features, each once.", field=field)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            field = f"{form}.data.{number}"
            raise ValidationError(f"{field}: expected {len(names)} values.", field=field)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _of_records(value: Any, form: str) -> Columns:
    records = listed(value, form, MOST_ROWS)
    first = records[0]
    for number, record in enumerate(records):
        if not isinstance(record, dict) or record.keys() != first.keys():
            msg = f"{form}.{number}: expected an object with the same columns as the first."
            raise ValidationError(msg, field=f"{form}.{number}")
    return {name: [record[name] for record in records] for name in first}


def _number(value: Any, name: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError(f"{name}: expected numbers or null.", field=name)
    return float(value)


def _cell(text: str, place: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise ValidationError(f"{place}: expected numbers or nothing.", field=place)
    return value
