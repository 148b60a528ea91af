"""Data manifests: count and SHA-256 of the games, results and quotes of each season that a training run was made of.

A manifest is stored with the two cut-offs that made it. Because the archive only grows, the same facts can be read
again by them: what was known by one moment, of what was in the archive by another.
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Engine, RowMapping

from core.betting.leagues import League
from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from core.errors import ConflictError, ResourceNotFoundError
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch, content_of

KINDS: Final = ("games", "results", "quotes")
UNKNOWN_SEASON: Final = 0
"""Season of a result or quote whose game is not in the archive."""


@dataclass(frozen=True)
class ManifestPart:
    """One kind of facts of one season: how many, and the SHA-256 of their content in any order."""

    season: int
    kind: str
    facts: int
    sha256: str


@dataclass(frozen=True)
class DataManifest:
    """The parts of a training run's data; ``sha256`` is that of ``FactBatch.sha256`` and covers all of them."""

    sha256: str
    parts: tuple[ManifestPart, ...]

    def to_json(self) -> str:
        """Readable JSON, which ``from_json`` reads back."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DataManifest":
        """The manifest that ``to_json`` wrote."""
        content = json.loads(text)
        return cls(content["sha256"], tuple(ManifestPart(**part) for part in content["parts"]))


@dataclass(frozen=True)
class StoredManifest:
    """A manifest in the database, with the league and the cut-offs by which its facts can be read again."""

    manifest: DataManifest
    sport: str
    league: str
    known_by: datetime
    recorded_at: datetime
    """When the run was made: facts written to the archive later were not in it."""


def manifest_of(facts: FactBatch) -> DataManifest:
    """The manifest of the facts, the same for the same facts in any order and on any database.

    A result or a quote belongs to the season that the latest version of its game names.
    """
    seasons = {game.game_id: game.season for game in sorted(facts.games, key=lambda game: game.known_at)}
    contents: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for kind in KINDS:
        for fact in getattr(facts, kind):
            contents[seasons.get(fact.game_id, UNKNOWN_SEASON), kind].append(orjson.dumps(content_of(fact)))
    parts = [
        ManifestPart(season, kind, len(own), sha256(b"\n".join(sorted(own))).hexdigest())
        for (season, kind), own in sorted(contents.items())
    ]
    return DataManifest(facts.sha256(), tuple(parts))


def store_manifest(
    engine: Engine, league: League, manifest: DataManifest, *, known_by: datetime, recorded_at: datetime
) -> None:
    """Store a run's manifest; one of the same data that is there already stays as it is."""
    row = {
        "sha256": manifest.sha256,
        "sport": league.sport,
        "league": league.key,
        "known_by": known_by,
        "body": manifest.to_json(),
        "recorded_at": recorded_at,
    }
    with writing(engine) as connection:
        insert_new(connection, tables.data_manifests, [row])


def find_manifest(engine: Engine, prefix: str) -> StoredManifest:
    """The stored manifest whose SHA-256 begins with ``prefix``.

    Raises ResourceNotFoundError with the newest ones if there is none, ConflictError if there are several.
    """
    table = tables.data_manifests
    with reading(engine) as connection:
        matching = sa.select(table).where(table.c.sha256.startswith(prefix.lower(), autoescape=True)).limit(2)
        rows = connection.execute(matching).mappings().all()
        if len(rows) == 1:
            return _stored(rows[0])
        newest = connection.scalars(sa.select(table.c.sha256).order_by(table.c.recorded_at.desc()).limit(3)).all()
    if rows:
        msg = f"Several data manifests begin with {prefix}."
        raise ConflictError(msg, hint="Give more characters of the SHA-256.")
    raise ResourceNotFoundError(f"There is no data manifest {prefix!r}.", nearest=tuple(one[:12] for one in newest))


def _stored(row: RowMapping) -> StoredManifest:
    manifest = DataManifest.from_json(row["body"])
    return StoredManifest(manifest, row["sport"], row["league"], row["known_by"], row["recorded_at"])
