"""The archive's border: which facts may enter it, by the ids and names that identify them.

Ids and names become keys of tables, of caches and of what is signed, so a faulty one is refused here, whatever source
it comes from. It costs the facts that have it and no others.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from core.text.identifiers import fault_of
from feature_store.archive.facts import FactBatch, GameFact, Quote, Rejected, Result

LONGEST: Final[Mapping[str, int]] = {"game_id": 120, "home_team": 150, "away_team": 150, "book": 64}
"""Characters of each id and name that the archive's tables hold."""

Faults = Mapping[tuple[str, str], str]
"""What is wrong with each faulty text, in words, by field and text."""


def admit(batch: FactBatch, source: str) -> FactBatch:
    """Return the batch without the facts that have a faulty id or name; each of them is rejected with its reason.

    A batch without any is returned as it is.
    """
    faults = _faults(batch)
    if not faults:
        return batch
    rejected = [*batch.rejected]

    def admitted(facts: Sequence[Any], kind: Literal["game", "result", "quote"]) -> list[Any]:
        reasons = [_reason(fact, faults) for fact in facts]
        rejected.extend(
            Rejected(source, f"game {fact.game_id!a}", kind, reason, ascii(tuple(fact)))
            for fact, reason in zip(facts, reasons, strict=True)
            if reason
        )
        return [fact for fact, reason in zip(facts, reasons, strict=True) if not reason]

    return FactBatch(
        admitted(batch.games, "game"), admitted(batch.results, "result"), admitted(batch.quotes, "quote"), rejected
    )


def fault_in(field: str, text: str) -> str:
    """Return what is wrong with the text of an id or a name, with the field's name; empty if nothing is."""
    fault = fault_of(text, LONGEST[field])
    return f"{field}: {fault}" if fault else ""


def _faults(batch: FactBatch) -> Faults:
    """The faulty texts of the batch; each different text is looked at once."""
    games = batch.games
    identified: list[GameFact | Result | Quote] = [*games, *batch.results, *batch.quotes]
    texts: dict[str, set[str]] = {
        "game_id": {fact.game_id for fact in identified},
        "home_team": {game.home_team for game in games},
        "away_team": {game.away_team for game in games},
        "book": {quote.book for quote in batch.quotes},
    }
    found = {(field, text): fault_in(field, text) for field, each in texts.items() for text in each}
    return {place: fault for place, fault in found.items() if fault}


def _reason(fact: GameFact | Result | Quote, faults: Faults) -> str:
    """The faults of a fact's id and names."""
    found = (faults.get((field, getattr(fact, field))) for field in LONGEST if field in fact._fields)
    return "; ".join(filter(None, found))
