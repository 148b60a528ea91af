"""Parses feature rows of MLflow's clients: named columns in, one table in the model's column order out.

Exactly the model's columns are accepted, and a value is a number or null (NaN).
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
"""JSON Schema of each form by its name; a request has exactly one of them."""

SCHEMA: Final[dict[str, Any]] = {
    "oneOf": [{"type": "object", "required": [name], "properties": {name: form}} for name, form in FORMS.items()]
}


def read_json(body: bytes) -> dict[str, Any]:
    """Return the body as an object. Raises ValidationError, also for NaN, Infinity and excessive nesting."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"body: not JSON ({error}).", field="body") from error
    if not isinstance(content, dict):
        raise ValidationError("body: expected an object.", field="body")
    return content


def require_list(value: Any, field: str, most: int) -> list[Any]:
    """Return the value if it is a list of 1 to ``most`` items. Raises ValidationError naming the field."""
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise ValidationError(f"{field}: expected a list of 1 to {most} items.", field=field)
    return value


def parse_mlflow(content: Mapping[str, Any]) -> Columns:
    """Return the columns of an MLflow request in any of its four forms. Raises ValidationError naming the field."""
    forms = [form for form in FORMS if form in content]
    if len(forms) != 1:
        msg = f"body: expected exactly one of {', '.join(FORMS)}."
        raise ValidationError(msg, field="body")
    (form,) = forms
    value = content[form]
    if form == "dataframe_split":
        return _parse_split(value, form)
    if form == "inputs" and isinstance(value, dict):
        return {name: require_list(column, f"inputs.{name[:40]}", MOST_ROWS) for name, column in value.items()}
    return _parse_records(value, form)


def parse_csv(body: bytes) -> Columns:
    """Return the columns of a CSV with a header; empty cells are missing values. Raises ValidationError."""
    try:
        names, *rows = filter(None, csv.reader(StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise ValidationError(f"body: not CSV with a header ({error}).", field="body") from error
    numbers = [[_cell(cell, f"csv.data.{number}") for cell in row] for number, row in enumerate(rows)]
    return _parse_split({"columns": names, "data": numbers}, "csv")


def as_table(columns: Columns, names: Sequence[str]) -> FloatArray:
    """Return the table of shape (rows, features) in the order of ``names``.

    Raises ValidationError naming missing or unknown columns, or the column with a value that is no number.
    """
    missing, unknown = [name for name in names if name not in columns], sorted(columns.keys() - set(names))
    if missing or unknown:
        problems = [f"missing {', '.join(missing[:5])}"] if missing else []
        problems += [f"unknown {', '.join(name[:40] for name in unknown[:5])}"] if unknown else []
        hint = "See GET /v2/models/{model} for the columns."
        raise ValidationError(f"columns: {'; '.join(problems)}.", field=(missing or unknown)[0][:120], hint=hint)
    lengths = {len(columns[name]) for name in names}
    if len(lengths) != 1:
        raise ValidationError("columns: expected the same length for all.", field="columns")
    return np.array([[_number(value, name) for value in columns[name]] for name in names], dtype=np.float64).T


def _parse_split(value: Any, form: str) -> Columns:
    names = require_list(value.get("columns") if isinstance(value, dict) else None, f"{form}.columns", MOST_COLUMNS)
    rows = require_list(value.get("data"), f"{form}.data", MOST_ROWS)
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        field = f"{form}.columns"
        raise ValidationError(f"{field}: expected distinct feature names.", field=field)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            field = f"{form}.data.{number}"
            raise ValidationError(f"{field}: expected {len(names)} values.", field=field)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _parse_records(value: Any, form: str) -> Columns:
    records = require_list(value, form, MOST_ROWS)
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
        raise ValidationError(f"{place}: expected a number or an empty cell.", field=place)
    return value
