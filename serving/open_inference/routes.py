"""Side doors for standard clients: the Open Inference Protocol (v2) and MLflow's scoring server.

Feature rows in, probabilities out, from the champion that answers under the model's name. Columns go by the names that
the registered model has in MLflow.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from core.arrays import FloatArray
from core.errors import ResourceNotFoundError, ValidationError
from core.nearest import nearest
from core.registry.forecaster import Forecast
from serving.api.examples import INFERENCE, INVOCATION
from serving.api.readiness import why_not_ready
from serving.api.responses import as_json, guarded_router, problems
from serving.champions.champion import Champion
from serving.http.openapi import TITLE, VERSION
from serving.open_inference.mlflow_bodies import SCHEMA, Columns, arranged, of_csv, of_mlflow, read_json
from serving.open_inference.tensors import of_tensors, schema
from serving.service import Service, ServiceDep

OUTPUTS: Final = ("p_home", "p_draw", "p_away", "margin", "total")
"""As the same model answers in MLflow; ``p_draw`` is the chance of a level score where one cannot bet on it."""

router = guarded_router("open inference")
probes = APIRouter(tags=["open inference"])

ModelName = Annotated[str, Path(max_length=64, examples=["EPL-results"])]
VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[3])]
ModelQuery = Annotated[str | None, Query(max_length=64, description="Needed where more than one model answers.")]

NOT_READY: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "Not ready."}}
CSV: Final = "text/csv"
CSV_BODY: Final = {CSV: {"schema": {"type": "string"}, "example": "elo_gap,rest_gap\n85.2,1.0\n,-3.0\n"}}


def body_of(described: dict[str, Any], example: object, **others: Any) -> dict[str, Any]:
    """Documentation of a body that the route reads itself."""
    content = {"application/json": {"schema": described, "example": example}, **others}
    return {"requestBody": {"required": True, "content": content}}


@probes.get("/v2/health/live", summary="Alive")
async def live() -> dict[str, bool]:
    """Whether the process answers at all."""
    return {"live": True}


@probes.get("/v2/health/ready", summary="Ready", responses=NOT_READY)
async def ready(service: ServiceDep) -> Response:
    """Whether this service can answer, as `/readyz`; with `causes` if it cannot."""
    causes = why_not_ready(service)
    return as_json({"ready": False, "causes": causes}, 503) if causes else as_json({"ready": True})


@probes.get("/ping", summary="Ready, as MLflow asks", responses=NOT_READY)
@probes.get("/health", summary="Ready, as MLflow asks", responses=NOT_READY)
async def ping(service: ServiceDep) -> Response:
    """Whether this service can answer, as `/readyz`."""
    return as_json({}, 503 if why_not_ready(service) else 200)


@probes.get("/version", summary="The version, as MLflow asks", response_class=PlainTextResponse)
async def release() -> str:
    """Of this service, not of MLflow: nothing here depends on that."""
    return VERSION


@router.get("/v2", summary="The server", responses=problems())
async def server() -> dict[str, Any]:
    """Name and version of this service."""
    return {"name": TITLE, "version": VERSION, "extensions": []}


@router.get("/v2/models/{model}", summary="A model's columns", responses=problems(404))
@router.get("/v2/models/{model}/versions/{version}", summary="A version's columns", responses=problems(404))
async def metadata(model: ModelName, service: ServiceDep, version: VersionPath | None = None) -> dict[str, Any]:
    """Inputs and outputs with their types; -1 stands for any number of rows."""
    champion = _champion(service, model, version)
    return {
        "name": champion.model,
        "versions": [str(champion.version.version)],
        "platform": "dbsbm_bundle",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in _columns(champion)],
        "outputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in OUTPUTS],
    }


@router.get("/v2/models/{model}/ready", summary="Whether a model answers", responses=problems(404))
@router.get("/v2/models/{model}/versions/{version}/ready", summary="Whether a version answers", responses=problems(404))
async def model_ready(model: ModelName, service: ServiceDep, version: VersionPath | None = None) -> dict[str, Any]:
    """404 for a model or version that does not answer."""
    champion = _champion(service, model, version)
    return {"name": champion.model, "ready": True}


@router.post(
    "/v2/models/{model}/infer",
    summary="Forecast feature rows",
    responses=problems(404, 413, 422, 503),
    openapi_extra=body_of(schema(OUTPUTS), INFERENCE),
)
@router.post(
    "/v2/models/{model}/versions/{version}/infer",
    summary="Forecast feature rows by a version",
    responses=problems(404, 413, 422, 503),
    openapi_extra=body_of(schema(OUTPUTS), INFERENCE),
)
async def infer(
    model: ModelName, request: Request, service: ServiceDep, version: VersionPath | None = None
) -> Response:
    """One input per feature, or one of shape [rows, features] in the model's order of columns; up to a thousand rows.

    null is a value that is not known.
    """
    service.load.check("batch")
    champion = _champion(service, model, version)
    content = read_json(await request.body())
    request_id, wanted = content.get("id"), _wanted(content.get("outputs"))
    answers = await _forecast(champion, of_tensors(content, _columns(champion)))
    return as_json(
        {
            "model_name": champion.model,
            "model_version": str(champion.version.version),
            **({"id": request_id} if isinstance(request_id, str) else {}),
            "outputs": [
                {"name": name, "datatype": "FP64", "shape": [len(answers)], "data": [row[name] for row in answers]}
                for name in wanted
            ],
        }
    )


@router.post(
    "/invocations",
    summary="Forecast feature rows, as MLflow asks",
    responses=problems(404, 413, 422, 503),
    openapi_extra=body_of(SCHEMA, INVOCATION, **CSV_BODY),
)
async def invocations(request: Request, service: ServiceDep, model: ModelQuery = None) -> Response:
    """Any of `dataframe_split`, `dataframe_records`, `instances`, `inputs`, or CSV; up to a thousand rows."""
    service.load.check("batch")
    champion = _champion(service, model or _only(service), None)
    kind, body = request.headers.get("content-type", "").partition(";")[0].strip().lower(), await request.body()
    columns = of_csv(body) if kind == CSV else of_mlflow(read_json(body))
    return as_json({"predictions": await _forecast(champion, columns)})


def _champion(service: Service, model: str, version: int | None) -> Champion:
    loaded = service.champions.loaded
    champion = loaded.get(model)
    if champion is None:
        msg = f"No model {model!r} answers."
        raise ResourceNotFoundError(msg, nearest=nearest(model, loaded), resource_type="model")
    if version not in (None, champion.version.version):
        msg = f"{model} answers in version {champion.version.version}."
        raise ResourceNotFoundError(msg, nearest=(str(champion.version.version),), resource_type="version")
    return champion


def _only(service: Service) -> str:
    names = sorted(service.champions.loaded)
    if len(names) != 1:
        known = ", ".join(names) or "none yet"
        raise ValidationError("model: name the model that is meant.", hint=f"Models: {known}.", field="model")
    return names[0]


def _columns(champion: Champion) -> list[str]:
    return [label.partition("@")[0] for label in champion.manifest.features]


def _wanted(outputs: Any) -> Sequence[str]:
    if outputs is None:
        return OUTPUTS
    listed = outputs if isinstance(outputs, list) else []
    names = [str(output.get("name")) for output in listed if isinstance(output, dict)]
    if not names or len(set(names)) != len(listed) or not set(names) <= set(OUTPUTS):
        raise ValidationError(f"outputs: expected names among {', '.join(OUTPUTS)}, each once.", field="outputs")
    return names


async def _forecast(champion: Champion, columns: Columns) -> list[dict[str, float]]:
    table = arranged(columns, _columns(champion))
    return await to_thread.run_sync(_answers, champion, table)


def _answers(champion: Champion, table: FloatArray) -> list[dict[str, float]]:
    return [
        dict(zip(OUTPUTS, _numbers(forecast), strict=True)) for forecast in champion.bundle.forecaster.predict(table)
    ]


def _numbers(forecast: Forecast) -> tuple[float, ...]:
    outcome = forecast.outcome
    return outcome.home, outcome.draw, outcome.away, forecast.margin, forecast.total
