"""Feature rows as standard clients send them: named columns in, one table in the model's own order out.

Nothing is guessed: every column of the model must be there, no other may be, and a value is a number or null (NaN).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson

from core.betting.odds import FloatArray
from core.errors import ValidationError

MOST_ROWS: Final = 1_000
MOST_COLUMNS: Final = 1_000
TYPES: Final = frozenset(("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT32", "UINT16", "UINT8"))

Columns = dict[str, Sequence[Any]]


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises ValidationError; NaN, Infinity and nesting without end are no JSON."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"body: not JSON ({error}).", field="body") from error
    if not isinstance(content, dict):
        raise ValidationError("body: expected an object.", field="body")
    return content


def of_tensors(content: Mapping[str, Any]) -> Columns:
    """Columns of an Open Inference request: one input of shape [n] or [n, 1] per feature."""
    columns: Columns = {}
    for number, tensor in enumerate(_list(content.get("inputs"), "inputs", MOST_COLUMNS)):
        place = f"inputs.{number}"
        if not isinstance(tensor, dict):
            raise ValidationError(f"{place}: expected an object.", field=place)
        name, shape, values = tensor.get("name"), tensor.get("shape"), tensor.get("data")
        if not isinstance(name, str) or name in columns:
            raise ValidationError(f"{place}.name: expected the name of a feature, once.", field=f"{place}.name")
        if tensor.get("datatype") not in TYPES:
            allowed = ", ".join(sorted(TYPES))
            raise ValidationError(f"{place}.datatype: expected one of {allowed}.", field=f"{place}.datatype")
        listed = _list(values, f"{place}.data", MOST_ROWS)
        if shape not in ([len(listed)], [len(listed), 1]):
            raise ValidationError(
                f"{place}.shape: expected [{len(listed)}] or [{len(listed)}, 1].", field=f"{place}.shape"
            )
        columns[name] = [row[0] if isinstance(row, list) and len(row) == 1 else row for row in listed]
    return columns


def of_mlflow(content: Mapping[str, Any]) -> Columns:
    """Columns of an MLflow request in any of its four forms. Raises ValidationError naming what is missing."""
    forms = [form for form in ("dataframe_split", "dataframe_records", "instances", "inputs") if form in content]
    if len(forms) != 1:
        msg = "body: expected exactly one of dataframe_split, dataframe_records, instances, inputs."
        raise ValidationError(msg, field="body")
    (form,) = forms
    value = content[form]
    if form == "dataframe_split":
        return _of_split(value)
    if form == "inputs" and isinstance(value, dict):
        return {name: _list(column, f"inputs.{name}", MOST_ROWS) for name, column in value.items()}
    return _of_records(value, form)


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


def _of_split(value: Any) -> Columns:
    names = _list(value.get("columns") if isinstance(value, dict) else None, "dataframe_split.columns", MOST_COLUMNS)
    rows = _list(value.get("data"), "dataframe_split.data", MOST_ROWS)
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        field = "dataframe_split.columns"
        raise ValidationError(f"{field}: expected the names of features, each once.", field=field)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            field = f"dataframe_split.data.{number}"
            raise ValidationError(f"{field}: expected {len(names)} values.", field=field)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _of_records(value: Any, form: str) -> Columns:
    records = _list(value, form, MOST_ROWS)
    first = records[0]
    for number, record in enumerate(records):
        if not isinstance(record, dict) or record.keys() != first.keys():
            msg = f"{form}.{number}: expected an object with the same columns as the first."
            raise ValidationError(msg, field=f"{form}.{number}")
    return {name: [record[name] for record in records] for name in first}


def _list(value: Any, field: str, most: int) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise ValidationError(f"{field}: expected a list of 1 to {most}.", field=field)
    return value


def _number(value: Any, name: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError(f"{name}: expected numbers or null.", field=name)
    return float(value)
