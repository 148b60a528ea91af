"""Routes for standard clients: the Open Inference Protocol (v2) and MLflow's scoring protocol.

Feature rows in, probabilities out, from the model's champion. Columns have the names of the registered model in MLflow.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from core.arrays import FloatArray
from core.errors import ResourceNotFoundError, ValidationError
from core.registry.forecaster import Forecast
from core.text.nearest import nearest
from core.version import VERSION
from serving.api.examples import INFERENCE, INVOCATION
from serving.api.readiness import not_ready_causes
from serving.api.responses import as_json, guarded_router, problems
from serving.champions.champion import Champion
from serving.http.openapi import TITLE
from serving.open_inference.mlflow_bodies import SCHEMA, Columns, as_table, parse_csv, parse_mlflow, read_json
from serving.open_inference.tensors import parse_tensors, schema
from serving.service import Service, ServiceDep

OUTPUTS: Final = ("p_home", "p_draw", "p_away", "margin", "total")
"""The same as the model returns in MLflow; in two-way leagues ``p_draw`` is the probability of a level score."""

router = guarded_router("open inference")
probes = APIRouter(tags=["open inference"])

ModelName = Annotated[str, Path(max_length=64, examples=["EPL-results"])]
VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[3])]
ModelQuery = Annotated[str | None, Query(max_length=64, description="Required if more than one model is loaded.")]

NOT_READY: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "Not ready."}}
CSV: Final = "text/csv"
CSV_BODY: Final = {CSV: {"schema": {"type": "string"}, "example": "elo_gap,rest_gap\n85.2,1.0\n,-3.0\n"}}


def body_documentation(described: dict[str, Any], example: object, **others: Any) -> dict[str, Any]:
    """Return the documentation of a body that the route parses itself."""
    content = {"application/json": {"schema": described, "example": example}, **others}
    return {"requestBody": {"required": True, "content": content}}


@probes.get("/v2/health/live", summary="Alive")
async def live() -> dict[str, bool]:
    """Whether the process responds."""
    return {"live": True}


@probes.get("/v2/health/ready", summary="Ready", responses=NOT_READY)
async def ready(service: ServiceDep) -> Response:
    """Whether this service can answer, as `/readyz`; with `causes` if not."""
    causes = not_ready_causes(service)
    return as_json({"ready": False, "causes": causes}, 503) if causes else as_json({"ready": True})


@probes.get("/ping", summary="Ready, in MLflow's protocol", responses=NOT_READY)
@probes.get("/health", summary="Ready, in MLflow's protocol", responses=NOT_READY)
async def ping(service: ServiceDep) -> Response:
    """Whether this service can answer, as `/readyz`."""
    return as_json({}, 503 if not_ready_causes(service) else 200)


@probes.get("/version", summary="Version, in MLflow's protocol", response_class=PlainTextResponse)
async def release() -> str:
    """The version of this service; MLflow is not used to answer requests."""
    return VERSION


@router.get("/v2", summary="Server metadata", responses=problems())
async def server() -> dict[str, Any]:
    """Name and version of this service."""
    return {"name": TITLE, "version": VERSION, "extensions": []}


@router.get("/v2/models/{model}", summary="Model metadata", responses=problems(404))
@router.get("/v2/models/{model}/versions/{version}", summary="Version metadata", responses=problems(404))
async def metadata(model: ModelName, service: ServiceDep, version: VersionPath | None = None) -> dict[str, Any]:
    """Inputs and outputs with their types; -1 means any number of rows."""
    champion = _champion(service, model, version)
    return {
        "name": champion.model,
        "versions": [str(champion.version.version)],
        "platform": "dbsbm_bundle",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in _columns(champion)],
        "outputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in OUTPUTS],
    }


@router.get("/v2/models/{model}/ready", summary="Model readiness", responses=problems(404))
@router.get("/v2/models/{model}/versions/{version}/ready", summary="Version readiness", responses=problems(404))
async def model_ready(model: ModelName, service: ServiceDep, version: VersionPath | None = None) -> dict[str, Any]:
    """200 if the model or version is loaded, otherwise 404."""
    champion = _champion(service, model, version)
    return {"name": champion.model, "ready": True}


@router.post(
    "/v2/models/{model}/infer",
    summary="Forecast feature rows",
    responses=problems(404, 413, 422, 503),
    openapi_extra=body_documentation(schema(OUTPUTS), INFERENCE),
)
@router.post(
    "/v2/models/{model}/versions/{version}/infer",
    summary="Forecast feature rows with a version",
    responses=problems(404, 413, 422, 503),
    openapi_extra=body_documentation(schema(OUTPUTS), INFERENCE),
)
async def infer(
    model: ModelName, request: Request, service: ServiceDep, version: VersionPath | None = None
) -> Response:
    """One input per feature, or one of shape [rows, features] in the model's column order; up to a thousand rows.

    null is a missing value.
    """
    service.load.check("batch")
    champion = _champion(service, model, version)
    content = read_json(await request.body())
    request_id, names = content.get("id"), _requested_outputs(content.get("outputs"))
    answers = await _forecast(champion, parse_tensors(content, _columns(champion)))
    return as_json(
        {
            "model_name": champion.model,
            "model_version": str(champion.version.version),
            **({"id": request_id} if isinstance(request_id, str) else {}),
            "outputs": [
                {"name": name, "datatype": "FP64", "shape": [len(answers)], "data": [row[name] for row in answers]}
                for name in names
            ],
        }
    )


@router.post(
    "/invocations",
    summary="Forecast feature rows, in MLflow's protocol",
    responses=problems(404, 413, 422, 503),
    openapi_extra=body_documentation(SCHEMA, INVOCATION, **CSV_BODY),
)
async def invocations(request: Request, service: ServiceDep, model: ModelQuery = None) -> Response:
    """Any of `dataframe_split`, `dataframe_records`, `instances`, `inputs`, or CSV; up to a thousand rows."""
    service.load.check("batch")
    champion = _champion(service, model or _only_model(service), None)
    kind, body = request.headers.get("content-type", "").partition(";")[0].strip().lower(), await request.body()
    columns = parse_csv(body) if kind == CSV else parse_mlflow(read_json(body))
    return as_json({"predictions": await _forecast(champion, columns)})


def _champion(service: Service, model: str, version: int | None) -> Champion:
    loaded = service.champions.loaded
    champion = loaded.get(model)
    if champion is None:
        msg = f"Model {model!r} is not loaded."
        raise ResourceNotFoundError(msg, nearest=nearest(model, loaded), resource_type="model")
    if version not in (None, champion.version.version):
        msg = f"{model} is loaded in version {champion.version.version}."
        raise ResourceNotFoundError(msg, nearest=(str(champion.version.version),), resource_type="version")
    return champion


def _only_model(service: Service) -> str:
    names = sorted(service.champions.loaded)
    if len(names) != 1:
        listing = ", ".join(names) or "none yet"
        raise ValidationError(
            "model: required, because not exactly one model is loaded.", hint=f"Models: {listing}.", field="model"
        )
    return names[0]


def _columns(champion: Champion) -> list[str]:
    return [label.partition("@")[0] for label in champion.manifest.features]


def _requested_outputs(outputs: Any) -> Sequence[str]:
    if outputs is None:
        return OUTPUTS
    listed = outputs if isinstance(outputs, list) else []
    names = [str(output.get("name")) for output in listed if isinstance(output, dict)]
    if not names or len(set(names)) != len(listed) or not set(names) <= set(OUTPUTS):
        raise ValidationError(f"outputs: expected distinct names among {', '.join(OUTPUTS)}.", field="outputs")
    return names


async def _forecast(champion: Champion, columns: Columns) -> list[dict[str, float]]:
    table = as_table(columns, _columns(champion))
    return await to_thread.run_sync(_answers, champion, table)


def _answers(champion: Champion, table: FloatArray) -> list[dict[str, float]]:
    return [
        dict(zip(OUTPUTS, _numbers(forecast), strict=True)) for forecast in champion.bundle.forecaster.predict(table)
    ]


def _numbers(forecast: Forecast) -> tuple[float, ...]:
    outcome = forecast.outcome
    return outcome.home, outcome.draw, outcome.away, forecast.margin, forecast.total
