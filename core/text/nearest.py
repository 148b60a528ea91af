"""Names that are spelt alike, for errors that suggest what was meant.

An error must not cost much more than an answer, so a look-up compares a text with a bounded number of names, however
many there are and however long the text is: with those that stand next to it in the order of their beginnings, and of
their endings.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from rapidfuzz import fuzz, process

FEW: Final = 32
"""So many names are all compared with the text."""

NEIGHBOURS: Final = 4
"""Of more names, those compared on either side of the text in each of the two orders."""

LONGEST_COMPARED: Final = 64
"""Characters of the text that are compared; names are hardly longer."""

MIN_SIMILARITY: Final = 55.0
"""Names less similar are left out [0 to 100]."""


class NameIndex:
    """Names that can be suggested, prepared for many look-ups. Never changes, so any thread may use it.

    ``spellings`` are what each name is found by, with its position; by default the name itself.
    """

    def __init__(self, names: Sequence[str], spellings: Sequence[tuple[str, int]] | None = None) -> None:
        self._compared = [name.casefold() for name in names]
        self._orders: tuple[_Order, ...] = ()
        if len(names) > FEW:
            listed = [(name, place) for place, name in enumerate(names)] if spellings is None else spellings
            texts, places = [text.casefold() for text, _ in listed], [place for _, place in listed]
            self._orders = _Order(texts, places), _Order([text[::-1] for text in texts], places)

    def find(self, text: str, limit: int = 3) -> list[int]:
        """Return the positions of the names spelt most like the text, best first; none if none is close."""
        wanted = text[:LONGEST_COMPARED].casefold()
        places: Sequence[int] = range(len(self._compared))
        if self._orders:
            by_beginning, by_ending = self._orders
            places = sorted({*by_beginning.near(wanted), *by_ending.near(wanted[::-1])})
        compared = [self._compared[place] for place in places]
        matches = process.extract(wanted, compared, scorer=fuzz.WRatio, limit=limit, score_cutoff=MIN_SIMILARITY)
        return [places[number] for _, _, number in matches]


class _Order:
    """Texts in alphabetical order, each with the position of its name."""

    def __init__(self, texts: Sequence[str], places: Sequence[int]) -> None:
        order = sorted(range(len(texts)), key=texts.__getitem__)
        self._texts = [texts[number] for number in order]
        self._places = [places[number] for number in order]

    def near(self, text: str) -> Sequence[int]:
        """Return the positions of the names next to where the text stands."""
        middle = bisect_left(self._texts, text)
        return self._places[max(0, middle - NEIGHBOURS) : middle + NEIGHBOURS]


def nearest(name: str, candidates: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """The candidates spelt most like the name, best first; empty if none is close."""
    names = list(candidates)
    return tuple(names[place] for place in NameIndex(names).find(name, limit))
