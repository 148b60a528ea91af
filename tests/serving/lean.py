"""Makes one response from a local bundle and prints its imports and memory as JSON; run in a new process.

``python -m tests.serving.lean DATABASE_URL BUNDLE_DIR PATH`` needs nothing of the tests' own requirements.
"""

import asyncio
import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.clock import FixedClock
from core.settings import load_settings
from serving.app import create_app

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
HEAVY = ("prefect", "mlflow", "pandas", "sklearn", "numba", "pyarrow", "matplotlib", "optuna")


async def answered(path: str, database: str, store: Path) -> tuple[int, bytes]:
    """Status and body of one GET."""
    overrides: dict[str, Any] = {"database_url": database, "bundle_dir": store, "_env_file": None}
    overrides["serving_dir"] = store.with_name(f"{store.name}-serving")
    app = create_app(load_settings(**overrides, mlflow_tracking_uri="http://127.0.0.1:9"), FixedClock(NOW))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async with app.router.lifespan_context(app) as state:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"test")],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
            "state": state,
        }
        for _ in range(600):
            sent.clear()
            await app(scope, receive, send)
            if sent[0]["status"] == 200:
                break
            await asyncio.sleep(0.1)  # a machine that is busy tries bundles for longer than the start waits
    return sent[0]["status"], sent[1]["body"]


if __name__ == "__main__":
    _database, _store, _path = sys.argv[1:]
    _began = time.perf_counter()
    _status, _body = asyncio.run(answered(_path, _database, Path(_store)))
    _resident = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    _report = {
        "status": _status,
        "probabilities": json.loads(_body).get("probabilities"),
        "heavy": [name for name in HEAVY if name in sys.modules],
        "resident_mb": int(_resident[1]) // 1024 if _resident else None,
        "seconds": round(time.perf_counter() - _began, 2),
    }
    sys.stdout.write(json.dumps(_report) + "\n")
