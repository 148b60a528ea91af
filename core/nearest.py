"""Names that are spelt alike, for errors that suggest what was meant."""

from collections.abc import Iterable

from rapidfuzz import fuzz, process


def nearest(name: str, candidates: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """The candidates spelt most like the name, best first; empty if none is close."""
    matches = process.extract(
        name, list(candidates), scorer=fuzz.WRatio, processor=str.casefold, limit=limit, score_cutoff=55
    )
    return tuple(match[0] for match in matches)
