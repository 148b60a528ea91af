"""The standard protocols return the model's own numbers, and reject columns and values that are not the model's."""

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest

from serving.api.examples import INFERENCE, INVOCATION
from serving.http.openapi import VERSION
from tests.serving.conftest import World
from tests.serving.service import MovingClock, Running, eventually, settings_for, started

MODEL = "EPL-results"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(shared_world: World) -> Iterator[Running]:
    with started(settings_for(shared_world.engine, shared_world.store), MovingClock()) as running:
        eventually(lambda: len(running.service.champions.loaded) == 3, seconds=60)
        yield running


@pytest.fixture
def names(client: Running) -> list[str]:
    return [column["name"] for column in client.get(f"/v2/models/{MODEL}").json()["inputs"]]


def rows(width: int, count: int = 3) -> list[list[float | None]]:
    """Values that differ in every cell, and a missing one."""
    table: list[list[float | None]] = [[10.0 * row + column for column in range(width)] for row in range(count)]
    table[1][0] = None
    return table


def expected(running: Running, table: list[list[float | None]]) -> list[dict[str, float]]:
    forecaster = running.service.champions.loaded[MODEL].bundle.forecaster
    forecasts = forecaster.predict(np.array([[np.nan if value is None else value for value in row] for row in table]))
    return [
        {
            "p_home": f.outcome.home,
            "p_draw": f.outcome.draw,
            "p_away": f.outcome.away,
            "margin": f.margin,
            "total": f.total,
        }
        for f in forecasts
    ]


def test_a_standard_client_finds_health_and_metadata(client: Running, names: list[str]) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert [client.get(path).status_code for path in ("/ping", "/health")] == [200, 200]
    assert client.get("/version").text == VERSION
    assert client.get("/v2").json()["extensions"] == []
    assert client.get(f"/v2/models/{MODEL}/ready").json() == {"name": MODEL, "ready": True}
    assert client.get(f"/v2/models/{MODEL}/versions/1/ready").status_code == 200
    assert client.get(f"/v2/models/{MODEL}/versions/7").json()["nearest"] == ["1"]
    assert client.get("/v2/models/EPL-result/ready").json()["nearest"][0] == MODEL
    assert not any("@" in name for name in names)


def test_inference_gives_the_models_own_numbers_whatever_the_order_of_columns(
    client: Running, names: list[str]
) -> None:
    table = rows(len(names))
    inputs = [
        {"name": name, "shape": [3], "datatype": "FP64", "data": [row[number] for row in table]}
        for number, name in enumerate(names)
    ]
    for order in (inputs, inputs[::-1]):
        answer = client.post(f"/v2/models/{MODEL}/infer", json={"id": "7", "inputs": order}).json()
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        assert (answer["model_name"], answer["model_version"], answer["id"]) == (MODEL, "1", "7")
        assert [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)] == expected(
            client, table
        )
    chosen = {"inputs": inputs, "outputs": [{"name": "p_away"}]}
    assert [o["name"] for o in client.post(f"/v2/models/{MODEL}/versions/1/infer", json=chosen).json()["outputs"]] == [
        "p_away"
    ]


def test_invocations_take_every_form_of_mlflow(client: Running, names: list[str]) -> None:
    table = rows(len(names))
    records = [dict(zip(names, row, strict=True)) for row in table]
    columns = {name: [row[number] for row in table] for number, name in enumerate(names)}
    for body in (
        {"dataframe_split": {"columns": names, "index": [0, 1, 2], "data": table}},
        {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in table]}},
        {"dataframe_records": records},
        {"instances": records},
        {"inputs": columns},
        {"inputs": records},
    ):
        answer = client.post(f"/invocations?model={MODEL}", json=body)
        assert answer.json() == {"predictions": expected(client, table)}
    assert client.post("/invocations", json={"instances": records}).json()["field"] == "model"


def broken(names: list[str]) -> Iterator[tuple[bytes | dict[str, Any], str]]:
    good = dict.fromkeys(names, 1.0)
    first = names[0]
    yield b"", "body"
    yield b"[]", "body"
    yield b"[" * 100_000, "body"
    yield b'{"instances": [NaN]}', "body"
    yield b'{"instances": [{"a": \xff}]}', "body"
    yield {}, "body"
    yield {"instances": [good], "inputs": [good]}, "body"
    yield {"instances": []}, "instances"
    yield {"instances": [good] * 1_001}, "instances"
    yield {"instances": [good, {}]}, "instances.1"
    yield {"instances": [1.0]}, "instances.0"
    yield {"instances": [{**good, "surplus": 1}]}, "surplus"
    yield {"instances": [dict.fromkeys(names[1:], 1.0)]}, first
    for wrong in ("1.0", True, [1.0], {}):
        yield {"instances": [{**good, first: wrong}]}, first
    yield {"dataframe_split": []}, "dataframe_split.columns"
    yield {"dataframe_split": {"columns": [1], "data": [[1]]}}, "dataframe_split.columns"
    yield {"dataframe_split": {"columns": [first, first], "data": [[1, 1]]}}, "dataframe_split.columns"
    yield {"dataframe_split": {"columns": names, "data": [[1]]}}, "dataframe_split.data.0"
    yield {"inputs": {**{name: [1.0] for name in names}, first: [1.0, 2.0]}}, "columns"
    yield {"inputs": 5}, "inputs"


def test_every_wrong_body_is_refused_and_its_place_named(client: Running, names: list[str]) -> None:
    for body, field in broken(names):
        sent = {"content": body, "headers": JSON} if isinstance(body, bytes) else {"json": body}
        answer = client.post(f"/invocations?model={MODEL}", **sent)
        assert (answer.status_code, answer.json()["field"]) == (422, field), body if isinstance(body, bytes) else field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"shape": [2]}, "inputs.0.shape"),
        ({"shape": "1"}, "inputs.0.shape"),
        ({"shape": [True]}, "inputs.0.shape"),
        ({"shape": [1, 1, 1]}, "inputs.0.shape"),
        ({"shape": [1, 2]}, "inputs.0.shape"),
        ({"shape": [[1], 2]}, "inputs.0.shape"),
        ({"datatype": "BYTES"}, "inputs.0.datatype"),
        *(({"datatype": odd}, "inputs.0.datatype") for odd in ([], {}, None, 64, ["FP64"])),
        ({"data": "1"}, "inputs.0.data"),
        ({"data": []}, "inputs.0.data"),
        ({"name": 5}, "inputs.0.name"),
        ({"name": None}, "inputs.0.name"),
    ],
)
def test_every_wrong_tensor_is_named(client: Running, names: list[str], change: dict[str, Any], field: str) -> None:
    tensor = {"name": names[0], "shape": [1], "datatype": "FP64", "data": [1.0], **change}
    refused = client.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor]})
    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_errors_are_where_the_protocols_clients_expect_them(client: Running) -> None:
    for path in ("/v2/models/unknown", "/v2/nothing", "/v2/models/x/versions/first"):
        problem = client.get(path).json()
        assert problem["error"] == problem["detail"]
    assert "error" not in client.get("/v1/nothing").json()


def outputs_of(answer: httpx.Response) -> list[dict[str, float]]:
    outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
    return [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]


@pytest.mark.parametrize("kind", ["FP64", "UINT64"])
def test_one_tensor_of_rows_and_features_is_the_table_in_the_models_order(
    client: Running, names: list[str], kind: str
) -> None:
    table = rows(len(names))
    flat = [value for row in table for value in row]
    for data in (table, flat):
        tensor = {"name": "input-0", "shape": [len(table), len(names)], "datatype": kind, "data": data}
        answer = client.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor]})
        assert outputs_of(answer) == expected(client, table)


def test_a_table_of_another_size_is_refused_by_name(client: Running, names: list[str]) -> None:
    width = len(names)
    for shape, data, field in (
        ([1, width + 1], [1.0] * (width + 1), "shape"),
        ([-1, width], [1.0] * width, "shape"),
        ([1_001, width], [1.0], "shape"),
        ([2, width], [1.0] * width, "data"),
        ([2, width], [[1.0] * width, [1.0]], "data"),
        ([2, width], [[1.0] * width, 1.0], "data"),
        ([1, width], {}, "data"),
    ):
        tensor = {"name": "input-0", "shape": shape, "datatype": "FP64", "data": data}
        refused = client.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor]})
        assert (refused.status_code, refused.json()["field"]) == (422, f"inputs.0.{field}")


def test_an_output_named_again_and_again_is_refused(client: Running, names: list[str]) -> None:
    """Otherwise a request of a megabyte would get gigabytes."""
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} for name in names]
    body = {"inputs": inputs, "outputs": [{"name": "p_home"}] * 2}
    assert client.post(f"/v2/models/{MODEL}/infer", json=body).json()["field"] == "outputs"


def test_invocations_take_csv(client: Running, names: list[str]) -> None:
    table = rows(len(names))
    lines = [",".join("" if value is None else str(value) for value in row) for row in table]
    content, kind = "\r\n".join([",".join(names), *lines, ""]), {"content-type": "text/csv; charset=utf-8"}
    for encoding in ("utf-8", "utf-8-sig"):
        answer = client.post(f"/invocations?model={MODEL}", content=content.encode(encoding), headers=kind)
        assert answer.json() == {"predictions": expected(client, table)}
    good = ",".join(["1"] * len(names))
    for wrong, field in (
        ("", "body"),
        ('"', "body"),
        (",".join(names), "csv.data"),
        (f"{','.join(names)}\n{good}\n1", "csv.data.1"),
        (f"{','.join(names)}\n{good[:-1]}inf", "csv.data.0"),
        (f"{','.join(names)}\n{good[:-1]}x", "csv.data.0"),
        (f"{','.join(names[:-1])},{names[0]}\n{good}", "csv.columns"),
    ):
        refused = client.post(f"/invocations?model={MODEL}", content=wrong.encode(), headers=kind)
        assert (refused.status_code, refused.json()["field"]) == (422, field), wrong
    refused = client.post(f"/invocations?model={MODEL}", content=b"\xff", headers=kind)
    assert (refused.status_code, refused.json()["field"]) == (422, "body")


def test_the_openapi_document_describes_the_bodies(client: Running, names: list[str]) -> None:
    paths = client.app.openapi()["paths"]

    def described(path: str) -> dict[str, Any]:
        content: dict[str, Any] = paths[path]["post"]["requestBody"]["content"]
        return content["application/json"]

    for path, example in (("/v2/models/{model}/infer", INFERENCE), ("/invocations", INVOCATION)):
        schema = described(path)["schema"]
        jsonschema.validate(example, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({}, schema)
    bad = {"inputs": [{"name": "a", "shape": [1], "datatype": [], "data": [1.0]}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, described("/v2/models/{model}/infer")["schema"])


def test_a_column_of_numbers_too_large_for_a_float_is_refused(client: Running, names: list[str]) -> None:
    body = b'{"instances":[{"%s":1%s}]}' % (names[0].encode(), b"0" * 4_000)
    assert client.post(f"/invocations?model={MODEL}", content=body, headers=JSON).status_code == 422
