"""What a training run was made of, small enough to keep: counts and SHA-256 of each season's games, results, quotes.

A manifest is kept with the two cut-offs that made it. Because the archive only ever grows, the very facts can
be read again by them: what was known by one moment, of what was in the archive by another.
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
from core.database import insert_new, reading, writing
from core.errors import ConflictError, ResourceNotFoundError
from feature_store.archive import tables
from feature_store.archive.facts import Batch

KINDS: Final = ("games", "results", "quotes")
UNKNOWN_SEASON: Final = 0
"""Season of a result or quote whose game was never told of."""


@dataclass(frozen=True)
class Part:
    """One kind of facts of one season: how many, and the SHA-256 of their content in any order."""

    season: int
    kind: str
    facts: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The parts of a snapshot; ``sha256`` is that of ``Batch.sha256`` and stands for all of them."""

    sha256: str
    parts: tuple[Part, ...]

    def to_json(self) -> str:
        """Readable JSON, which ``from_json`` reads back."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The manifest that ``to_json`` wrote."""
        content = json.loads(text)
        return cls(content["sha256"], tuple(Part(**part) for part in content["parts"]))


@dataclass(frozen=True)
class Kept:
    """A manifest in our table, with the league and the cut-offs by which its facts can be read again."""

    manifest: Manifest
    sport: str
    league: str
    known_by: datetime
    recorded_at: datetime
    """When the run was made: facts written to the archive later were not in it."""


def manifest_of(facts: Batch) -> Manifest:
    """The manifest of the facts, the same for the same facts in any order and on any database.

    A result or a quote belongs to the season in which its game was last said to be.
    """
    seasons = {game.game_id: game.season for game in sorted(facts.games, key=lambda game: game.known_at)}
    lines: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for kind in KINDS:
        for fact in getattr(facts, kind):
            lines[seasons.get(fact.game_id, UNKNOWN_SEASON), kind].append(orjson.dumps(tuple(fact)))
    parts = [
        Part(season, kind, len(own), sha256(b"\n".join(sorted(own))).hexdigest())
        for (season, kind), own in sorted(lines.items())
    ]
    return Manifest(facts.sha256(), tuple(parts))


def keep(engine: Engine, league: League, manifest: Manifest, *, known_by: datetime, recorded_at: datetime) -> None:
    """Enter a run's manifest in our table; that of a snapshot which is there already stays as it is."""
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


def kept(engine: Engine, prefix: str) -> Kept:
    """The manifest whose SHA-256 begins so.

    Raises ResourceNotFoundError with the newest ones if there is none, ConflictError if there are several.
    """
    table = tables.data_manifests
    with reading(engine) as connection:
        begins_so = sa.select(table).where(table.c.sha256.startswith(prefix.lower(), autoescape=True)).limit(2)
        found = connection.execute(begins_so).mappings().all()
        if len(found) == 1:
            return _kept(found[0])
        newest = connection.scalars(sa.select(table.c.sha256).order_by(table.c.recorded_at.desc()).limit(3)).all()
    if found:
        msg = f"Several snapshots begin with {prefix}."
        raise ConflictError(msg, hint="Give more characters of the SHA-256.")
    raise ResourceNotFoundError(f"There is no snapshot {prefix!r}.", nearest=tuple(one[:12] for one in newest))


def _kept(row: RowMapping) -> Kept:
    manifest = Manifest.from_json(row["body"])
    return Kept(manifest, row["sport"], row["league"], row["known_by"], row["recorded_at"])
