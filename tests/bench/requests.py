"""Requests per second, cached and computed, beside a bare FastAPI hello, interleaved in one run (needs `wrk`)."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import httpx

from tests.services import free_port

HELLO = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "world"}
"""
ROUNDS, SECONDS, CONNECTIONS = 5, 3, 16
DEMO = "from flows.commands.serving import demo; demo(leave=False, port={port}, json=True)"


def run() -> None:
    wrk = shutil.which("wrk")
    if wrk is None:
        print("requests: skipped, wrk is not installed (apt-get install wrk)")
        return
    hello_port, our_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hello.py").write_text(HELLO)
        hello = [
            sys.executable,
            "-m",
            "uvicorn",
            "hello:app",
            "--port",
            str(hello_port),
            "--log-level",
            "warning",
            "--no-access-log",
        ]
        ours = [sys.executable, "-c", DEMO.format(port=our_port)]
        processes = [
            subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for command in (hello, ours)
        ]
        try:
            _measure(wrk, f"http://127.0.0.1:{hello_port}", f"http://127.0.0.1:{our_port}")
        finally:
            for process in processes:
                process.terminate()
                process.wait(20)


def _measure(wrk: str, hello: str, ours: str) -> None:
    _wait(f"{hello}/hello")
    _wait(f"{ours}/readyz")
    game = httpx.get(f"{ours}/v1/games", params={"q": "Arsenal"}).json()["games"][0]
    key = f"{game['sport']}/{game['league']}/{game['game_id']}"
    targets = {
        "bare FastAPI hello": f"{hello}/hello",
        "cached prediction": f"{ours}/v1/predictions/{key}",
        "computed forecast and price": f"{ours}/v1/prices/{key}?market=total&selection=over&line=2.5",
    }
    rates, slowest = defaultdict(list), defaultdict(list)
    for _ in range(ROUNDS):
        for name, url in targets.items():
            rate, p99 = _wrk(wrk, url)
            rates[name].append(rate)
            slowest[name].append(p99)
    yardstick = median(rates["bare FastAPI hello"])
    for name in targets:
        rate = median(rates[name])
        print(
            f"{name}: {rate:,.0f} requests/s, p99 {median(slowest[name]):.1f} ms,"
            f" {rate / yardstick:.0%} of the bare hello ({CONNECTIONS} connections, median of {ROUNDS})"
        )


def _wrk(wrk: str, url: str) -> tuple[float, float]:
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))  # type: ignore[union-attr]
    amount, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return rate, float(amount) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _wait(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(url)
        time.sleep(0.2)
