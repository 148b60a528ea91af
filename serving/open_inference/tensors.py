"""Parses feature rows of the Open Inference Protocol: a tensor per feature, or one of all rows and features.

https://github.com/open-inference/open-inference-protocol (REST, *Inference Request*).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.errors import ValidationError
from serving.open_inference.mlflow_bodies import MOST_COLUMNS, MOST_ROWS, Columns, require_list

TYPES: Final = (
    *("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8"),
    *("UINT64", "UINT32", "UINT16", "UINT8"),
)

NUMBER: Final = {"type": ["number", "null"]}
TENSOR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer", "minimum": 1}},
        "datatype": {"type": "string", "enum": list(TYPES)},
        "parameters": {"type": "object"},
        "data": {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [NUMBER, {"type": "array", "minItems": 1, "items": NUMBER}]},
        },
    },
}


def schema(outputs: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of a request to a model with these outputs."""
    output = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "enum": list(outputs)}}}
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "minItems": 1, "maxItems": MOST_COLUMNS, "items": TENSOR},
            "outputs": {"type": "array", "minItems": 1, "uniqueItems": True, "items": output},
        },
    }


def parse_tensors(content: Mapping[str, Any], names: Sequence[str]) -> Columns:
    """Return the columns of a request to a model with these features.

    Either one input per feature, of shape [rows] or [rows, 1], or one input of any name and shape [rows, features] in
    the model's order, its data in rows or flat. Raises ValidationError naming the invalid field.
    """
    tensors = require_list(content.get("inputs"), "inputs", MOST_COLUMNS)
    for number, tensor in enumerate(tensors):
        _check_tensor(tensor, f"inputs.{number}")
    if len(tensors) == 1 and _is_wide(tensors[0]["shape"]):
        return _parse_table(tensors[0], names)
    columns: Columns = {}
    for number, tensor in enumerate(tensors):
        place = f"inputs.{number}"
        if tensor["name"] in columns:
            raise ValidationError(f"{place}.name: expected a feature name that occurs once.", field=f"{place}.name")
        columns[tensor["name"]] = _column(tensor, place)
    return columns


def _check_tensor(tensor: Any, place: str) -> None:
    if not isinstance(tensor, dict):
        raise ValidationError(f"{place}: expected an object.", field=place)
    if not isinstance(tensor.get("name"), str):
        raise ValidationError(f"{place}.name: expected a feature name that occurs once.", field=f"{place}.name")
    if tensor.get("datatype") not in TYPES:
        raise ValidationError(f"{place}.datatype: expected one of {', '.join(TYPES)}.", field=f"{place}.datatype")
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int for length in shape):
        raise ValidationError(f"{place}.shape: expected a list of whole numbers.", field=f"{place}.shape")


def _is_wide(shape: list[int]) -> bool:
    return len(shape) == 2 and shape[1] != 1


def _column(tensor: Mapping[str, Any], place: str) -> list[Any]:
    values = require_list(tensor.get("data"), f"{place}.data", MOST_ROWS)
    if tensor["shape"] not in ([len(values)], [len(values), 1]):
        msg = f"{place}.shape: expected [{len(values)}] or [{len(values)}, 1]."
        raise ValidationError(msg, field=f"{place}.shape")
    return [row[0] if isinstance(row, list) and len(row) == 1 else row for row in values]


def _parse_table(tensor: Mapping[str, Any], names: Sequence[str]) -> Columns:
    rows, width = tensor["shape"]
    if width != len(names) or not 1 <= rows <= MOST_ROWS:
        msg = f"inputs.0.shape: expected [1 to {MOST_ROWS}, {len(names)}], the model's columns in their order."
        raise ValidationError(msg, field="inputs.0.shape", hint="See GET /v2/models/{model} for the columns.")
    data = require_list(tensor.get("data"), "inputs.0.data", rows * width)
    if len(data) == rows * width:
        table = [data[start : start + width] for start in range(0, rows * width, width)]
    elif len(data) == rows and all(isinstance(row, list) and len(row) == width for row in data):
        table = data
    else:
        msg = f"inputs.0.data: expected {rows} rows of {width} values, or all of them in one list."
        raise ValidationError(msg, field="inputs.0.data")
    return dict(zip(names, zip(*table, strict=True), strict=True))
