"""The answers of services as they came, compressed, so that a look can be replayed and a fault be found.

One folder per feed and UTC day; names hold the moment and what was asked, never a key. Older ones are deleted by the
feed's terms.
"""

import gzip
import re
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from core.files.atomic import write_file

KEPT_HOURS: Final = 72.0
"""How long answers are kept where the service's terms set no limit [hours]."""
LONGEST_SLUG: Final = 80


class RawAnswers:
    """The stored answers of one feed; ``folder`` is its own."""

    def __init__(self, folder: Path, retain_hours: float | None) -> None:
        self._folder = folder
        self._kept = timedelta(hours=KEPT_HOURS if retain_hours is None else retain_hours)

    def keep(self, request: str, content: bytes, now: datetime) -> None:
        """Store an answer; the newest of each request is found by ``newest``."""
        folder = self._folder / f"{now:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        packed = gzip.compress(content, compresslevel=6, mtime=0)
        write_file(folder / f"{now:%H%M%S.%f}-{_slug(request)}.gz", packed, mode=0o600, durable=False)

    def newest(self, request: str) -> bytes | None:
        """Return the newest stored answer to the request; None if there is none or it cannot be read."""
        found = sorted(self._folder.glob(f"*/*-{_slug(request)}.gz"))
        try:
            return gzip.decompress(found[-1].read_bytes()) if found else None
        except (OSError, EOFError, gzip.BadGzipFile):
            return None

    def prune(self, now: datetime) -> int:
        """Delete the answers that are older than the feed's terms allow; returns how many."""
        removed = 0
        for path in sorted(self._folder.glob("*/*.gz")):
            if _moment(path, now) < now - self._kept:
                path.unlink(missing_ok=True)
                removed += 1
        for day in self._folder.glob("????-??-??"):
            if not any(day.iterdir()):
                day.rmdir()
        return removed


def _slug(request: str) -> str:
    readable = re.sub(r"[^a-zA-Z0-9]+", "-", request).strip("-")[:LONGEST_SLUG]
    return f"{readable}-{sha256(request.encode()).hexdigest()[:12]}"


def _moment(path: Path, now: datetime) -> datetime:
    """When the answer was stored, by its name; ``now`` for a name that is not ours."""
    try:
        written = datetime.strptime(f"{path.parent.name} {path.name[:13]}", "%Y-%m-%d %H%M%S.%f")  # noqa: DTZ007
    except ValueError:
        return now
    return written.replace(tzinfo=now.tzinfo)
