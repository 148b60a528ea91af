"""The log loss of a version on each game it had not learnt from, by which two versions are compared fairly."""

import json
from dataclasses import dataclass
from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, Engine

from core.arrays import FloatArray
from core.database.transactions import reading
from core.database.upserts import insert_new
from core.registry import tables

Indices = NDArray[np.int64]
UNFAIR: Final = 0.05
"""Share of games by which one forecaster may have learnt from more than another it is compared with."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Log losses of a walk-forward's games; every array has one entry per game, and no game occurs twice."""

    game_ids: tuple[str, ...]
    starts: FloatArray
    """Seconds since 1970."""
    outcomes: Indices
    losses: FloatArray
    """Log loss of the forecast made before the game, by a model fitted on earlier games only [nats]."""
    learnt: Indices
    """How many games the forecaster of each had learnt from."""

    def __len__(self) -> int:
        return len(self.game_ids)

    def to_json(self) -> str:
        """One compact JSON object; losses to the sixth digit."""
        return json.dumps(
            {
                "game_ids": self.game_ids,
                "starts": self.starts.astype(int).tolist(),
                "outcomes": self.outcomes.tolist(),
                "losses": np.round(self.losses, 6).tolist(),
                "learnt": self.learnt.tolist(),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> "HeldOut":
        """The losses that ``to_json`` wrote."""
        content = json.loads(text)
        return cls(
            game_ids=tuple(content["game_ids"]),
            starts=np.array(content["starts"], dtype=np.float64),
            outcomes=np.array(content["outcomes"], dtype=np.int64),
            losses=np.array(content["losses"], dtype=np.float64),
            learnt=np.array(content["learnt"], dtype=np.int64),
        )


NO_LOSSES: Final = HeldOut((), np.zeros(0), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
"""For a version whose losses are missing."""


@dataclass(frozen=True, eq=False)
class PairedLosses:
    """The losses of two versions on the games that are fair to both."""

    starts: FloatArray
    first: FloatArray
    second: FloatArray

    def __len__(self) -> int:
        return len(self.starts)


def pair(first: HeldOut, second: HeldOut) -> PairedLosses:
    """Both versions' losses on the games that neither had learnt from.

    Left out are games whose result was corrected in between, and games before which one forecaster had learnt from over
    a twentieth more games than the other: in a league that is evaluated on parts of the calendar, which move as it
    grows, that would compare the parts and not the versions.
    """
    places = {game_id: place for place, game_id in enumerate(second.game_ids)}
    shared = [(place, places[game_id]) for place, game_id in enumerate(first.game_ids) if game_id in places]
    own, others = np.array(shared, dtype=np.int64).reshape(-1, 2).T
    alike = first.outcomes[own] == second.outcomes[others]
    learnt = np.stack((first.learnt[own], second.learnt[others]))
    fair = alike & (learnt.min(axis=0) >= (1 - UNFAIR) * learnt.max(axis=0))
    own, others = own[fair], others[fair]
    return PairedLosses(first.starts[own], first.losses[own], second.losses[others])


def keep(connection: Connection, model: str, version: int, held_out: HeldOut) -> None:
    """Insert the losses beside the version's row, in the caller's transaction."""
    insert_new(connection, tables.held_out, [{"model": model, "version": version, "body": held_out.to_json()}])


def held_out(engine: Engine, model: str, version: int) -> HeldOut | None:
    """The losses of a version; None for one registered before losses were recorded."""
    table = tables.held_out
    query = sa.select(table.c.body).where(table.c.model == model, table.c.version == version)
    with reading(engine) as connection:
        body = connection.scalar(query)
    return None if body is None else HeldOut.from_json(body)
