"""The service beside other model servers with the same LightGBM trees: MLflow's, MLServer's and BentoML's.

Each lives in an environment with what it needs and nothing else, made at the first run below ``.cache``. Peers are sent the
feature row; this service gets the game's id and has the features itself. A cached answer is a look-up, not a
computation: it is compared because it is what a user gets.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_store.features.sets import FEATURE_SETS
from tests.bench.serving import lean, requests, stage
from tests.bench.serving.requests import Target
from tests.bench.serving.stage import Server
from tests.services import MariaDb, free_port, mariadb_server, redis_server

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / ".cache" / "bench-peers"
UV = ROOT / ".tools" / "bin" / "uv"
ROUNDS = 3
LONGEST_START = 300.0
"""Seconds; on a busy machine MLflow's command line alone imports for half a minute."""

FEATURES = FEATURE_SETS["results"].names
ROW = [round(float(value), 4) for value in np.random.default_rng(5).normal(size=len(FEATURES))]

SAVE_FOR_MLFLOW = """
import sys, lightgbm, mlflow, pandas
booster = lightgbm.Booster(model_file=sys.argv[1])
row = pandas.DataFrame([{row}], columns={names})
signature = mlflow.models.infer_signature(row, booster.predict(row))
mlflow.lightgbm.save_model(booster, sys.argv[2], signature=signature)
"""

BENTO = """
import bentoml, lightgbm, numpy

@bentoml.service(workers=1)
class Trees:
    def __init__(self):
        self.booster = lightgbm.Booster(model_file={model!r})

    @bentoml.api
    def predict(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self.booster.predict(rows, num_threads=1)
"""

POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
"""


@dataclass(frozen=True)
class Peer:
    """Another server: its name, its start command, its readiness path and its request."""

    name: str
    """That of its requirements, too, which ``make requirements`` compiles."""
    command: Callable[[Path, Path, int], list[str]]
    """From the environment's programs, the folder with ``model.txt``, and the port."""
    ready: str
    path: str
    body: object


def run() -> None:
    """Print the table of all servers and the ratios that matter."""
    if shutil.which("wrk") is None:
        print("peers: skipped, wrk is not installed (apt-get install wrk)")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "model.txt").write_text(stage.trees(FEATURES))
        database, redis = stack.enter_context(mariadb_server()), stack.enter_context(redis_server())
        place = stage.make_stage(folder, _address(database, "bench"), redis.url)
        ours = stack.enter_context(stage.served(place, lean.installed()))
        cold_place = stage.make_cold_stage(folder / "cold", _address(database, "cold"), redis.url)
        cold = stack.enter_context(stage.served(cold_place, lean.installed()))
        asgi, fastapi = (stack.enter_context(stage.hello(kind, folder)) for kind in ("asgi", "fastapi"))
        servers = {"ours": ours, "ours, cold league": cold}
        targets = [
            *requests.targets_of(place, ours, asgi, fastapi),
            *requests.cold_targets_of(cold_place, cold),
        ]
        for peer in PEERS:
            if (programs := _installed(peer)) is not None:
                servers[peer.name] = stack.enter_context(_started(peer, programs, folder))
                targets.append(_target(peer, servers[peer.name], folder))
        requests.wait_for_whole_bodies(ours, place)
        for name, server in servers.items():
            print(f"{name}: start to ready {server.ready_seconds:.1f} s, {server.rss():.0f} MiB resident")
        _say_ratios(requests.closed_loop(targets, ROUNDS))
        for name, server in servers.items():
            print(f"{name}: {server.rss():.0f} MiB resident in {len(server.family())} processes after the load")


def _address(database: MariaDb, name: str) -> str:
    return database.recreate(name).render_as_string(hide_password=False)


def _installed(peer: Peer) -> Path | None:
    """The programs of the peer's environment; None, with a printed reason, if it cannot be made."""
    home = ENVIRONMENTS / peer.name
    programs, requirements = home / "bin", ROOT / "requirements" / "bench" / f"{peer.name}.txt"
    commands: list[list[str | Path]] = [
        [UV, "pip", "sync", "--quiet", "--python", programs / "python", "--require-hashes", requirements],
    ]
    if not (programs / "python").exists():
        commands.insert(0, [UV, "venv", "--quiet", "--python", "3.11", home])
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{peer.name}: left out, it could not be installed: {getattr(error, 'stderr', error)}")
        return None
    return programs


@contextmanager
def _started(peer: Peer, programs: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    home = folder / peer.name
    home.mkdir()
    # Not our own path: a peer must import its own packages, and nothing of this project.
    clean = ["env", "-u", "PYTHONPATH", f"PATH={programs}:{os.environ['PATH']}", "BENTOML_DO_NOT_TRACK=True"]
    command = [*clean, *peer.command(programs, home, port)]
    with stage.running(command, port, peer.ready, home, LONGEST_START) as server:
        yield server


def _target(peer: Peer, server: Server, folder: Path) -> Target:
    script = folder / f"{peer.name}.lua"
    script.write_text(POST.format(body=json.dumps(peer.body)))
    return Target(peer.name, server, peer.path, ("-s", str(script)))


def _mlflow(programs: Path, home: Path, port: int) -> list[str]:
    code = SAVE_FOR_MLFLOW.format(row=ROW, names=list(FEATURES))
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    save: list[str | Path] = [programs / "python", "-c", code, home.parent / "model.txt", home / "model"]
    subprocess.run(save, check=True, capture_output=True, cwd=home, env=clean)
    where = ["-m", str(home / "model"), "-h", "127.0.0.1", "-p", str(port)]
    return [str(programs / "mlflow"), "models", "serve", *where, "--env-manager", "local"]


def _mlserver(programs: Path, home: Path, port: int) -> list[str]:
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    options = {"host": "127.0.0.1", "debug": False, "parallel_workers": 0, **ports}
    model = {"implementation": "mlserver_lightgbm.LightGBMModel", "parameters": {"uri": "../model.txt", "version": "1"}}
    (home / "settings.json").write_text(json.dumps(options))
    (home / "model-settings.json").write_text(json.dumps({"name": "trees", **model}))
    return [str(programs / "mlserver"), "start", str(home)]


def _bentoml(programs: Path, home: Path, port: int) -> list[str]:
    (home / "service.py").write_text(BENTO.format(model=str(home.parent / "model.txt")))
    where = ["--working-dir", str(home), "--host", "127.0.0.1", "--port", str(port)]
    return [str(programs / "bentoml"), "serve", "service:Trees", *where]


PEERS = (
    Peer(
        "mlflow",
        _mlflow,
        "/ping",
        "/invocations",
        {"dataframe_split": {"columns": list(FEATURES), "data": [ROW]}},
    ),
    Peer(
        "mlserver",
        _mlserver,
        "/v2/health/ready",
        "/v2/models/trees/infer",
        {"inputs": [{"name": "rows", "shape": [1, len(ROW)], "datatype": "FP64", "data": ROW}]},
    ),
    Peer("bentoml", _bentoml, "/readyz", "/predict", {"rows": [ROW]}),
)


def _say_ratios(shots: dict[str, requests.Shot]) -> None:
    hello, cached, recomputed, cold = (
        shots[name] for name in ("bare ASGI hello", "cached prediction", "uncached prediction", "cold prediction")
    )
    batch, cold_batch = shots[f"batch of {requests.BATCH}"], shots[f"cold batch of {requests.BATCH}"]
    print(f"cached: {cached.rate / hello.rate:.0%} of the bare hello (wanted 75 %)")
    print(f"cached: p99 {cached.p99 / hello.p99:.1f} times the bare hello's (wanted 3)")
    print(f"cached batch of {requests.BATCH}: {recomputed.rate / batch.rate:.1f} recomputed singles (wanted 3)")
    print(
        f"cold batch of {requests.BATCH}: {cold.rate / cold_batch.rate:.1f} cold singles by rate,"
        f" {cold_batch.p50 / cold.p50:.1f} by median time (wanted 2)"
    )
    for what, service, of_mlflow, of_best in (
        ("cached", cached, 100, 10),
        ("recomputed", recomputed, 25, 4),
        ("cold", cold, 25, 4),
    ):
        if "mlflow" in shots:
            print(f"{what}: {service.rate / shots['mlflow'].rate:.0f} times mlflow (wanted {of_mlflow})")
        others = {name: shots[name].rate for name in ("mlserver", "bentoml") if name in shots}
        if others:
            best = max(others, key=others.__getitem__)
            print(f"{what}: {service.rate / others[best]:.1f} times {best}, the best of the others (wanted {of_best})")
