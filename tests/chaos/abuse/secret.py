"""Row A15: secrets in logs, answers and the repository."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.outcome import Outcome, row
from tests.chaos.stage import Stage, until
from tests.chaos.world import hot_games

ROOT = Path(__file__).parents[3]
GAME = f"/v1/predictions/{hot_games()[0]}"

PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "AWS": r"\bAKIA[0-9A-Z]{16}\b",
    "GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "Slack": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "Discord": r"\b[MNO][A-Za-z\d_-]{23}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27}\b",
    "our own key": r"\b[0-9a-f]{12}\.[A-Za-z0-9_-]{43}\b",
    "password in an address": r"[a-z+]+://[^\s:/@{}'\"<>]+:(?!password|pw\b|secret|canary|\*)[^\s:@/{}'\"<>$]{6,}@(?!host|localhost|127\.|db\b|example)",
}


@row(
    "A15",
    "canary secrets in environment, headers, addresses and bodies, at LOG_LEVEL=DEBUG, with MySQL and Redis failing; and a scan of the repository",
)
def secrets(stage: Stage, scale: float, outcome: Outcome) -> None:
    stage.database.execute("CREATE USER IF NOT EXISTS chaos IDENTIFIED BY 'canary-database'")
    stage.database.execute("GRANT ALL ON ours.* TO chaos")
    port = stage.before_database.port
    canaries = {
        "DATABASE_URL": f"mysql+pymysql://chaos:canary-database@127.0.0.1:{port}/ours?charset=utf8mb4",
        "REDIS_URL": f"redis://:canary-redis@127.0.0.1:{stage.before_redis.port}/0",
        "BOT_DATABASE_URL": "mysql+pymysql://bot:canary-bot@127.0.0.1:9/bot",
        "API_KEY": "canary.api-key",
        "LOG_LEVEL": "DEBUG",
    }
    answers = []
    with stage.beside(**canaries) as served:
        until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
        for _ in range(max(20, int(100 * scale))):
            answers += _ask_with_canaries(stage, served.port)
        with stage.database_unavailable():
            stage.before_database.down()
            time.sleep(3)
            answers += _ask_with_canaries(stage, served.port)
            answers += [str(stage.ask(path, port=served.port)) for path in ("/readyz", "/v1/system/health", "/metrics")]
        stage.before_database.up()
        time.sleep(2)
        log = stage.log(served)
    secret = stage.key.partition(".")[2]
    for name, text in {"the log": log, "answers": "\n".join(answers)}.items():
        leaked = {*re.findall(r"canary[-.][a-z-]+", text), *_those_in(text, secret, stage.signing_key)}
        outcome.expect(not leaked, f"{name} contains {leaked}")
    outcome.expect(log.count('"event":"request"') > 50, f"the log holds but {log.count('request')} requests")
    outcome.report(f"{len(log.splitlines())} lines of log and {len(answers)} answers searched")
    hits = list(_scan())
    outcome.report(
        f"{len(_files())} files of the repository searched for {len(PATTERNS)} kinds of secrets: {len(hits)} found"
    )
    outcome.expect(not hits, f"in the repository: {hits[:3]}")


def _those_in(text: str, *secrets: str) -> set[str]:
    return {f"a secret of {len(secret)} characters" for secret in secrets if secret in text}


def _ask_with_canaries(stage: Stage, port: int) -> list[str]:
    headers = {"Authorization": "Bearer canary-bearer", "Cookie": "a=canary-cookie", "X-Request-ID": "canary id"}
    asked = (
        (f"{GAME}?token=canary-query", "GET", headers),
        (GAME, "GET", {**headers, "X-API-Key": f"{stage.key}canary-tail"}),
        (f"/v1/models?key={stage.key}", "GET", {**headers, "X-Guild-ID": "canary-guild"}),
        ("/v1/admin/models/canary-model/rollback", "POST", headers),
        ("/v1/matchups/soccer/EPL?home=canary-home&away=x", "GET", headers),
    )
    answers = [stage.ask(path, port=port, method=method, **given) for path, method, given in asked]
    # A problem document may repeat the name that its caller sent.
    return [
        str(document)
        for (status, document), (path, *_) in zip(answers, asked, strict=True)
        if "canary-home" not in path and "canary-model" not in path and status
    ]


def _files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _scan() -> Iterator[str]:
    """Return every hit, by file and kind."""
    for path in _files():
        text = path.read_text(encoding="utf-8", errors="replace")
        for kind, pattern in PATTERNS.items():
            for hit in re.finditer(pattern, text):
                yield f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1} {kind}"
