"""Pairings of teams by what somebody is typing: a part of one name or of both, mistyped or without its accents.

Each word that was typed is held against the words of every name, whole, as a beginning, or as a beginning with a
letter or two wrong. A name is as good as its words, by length; the two names of a pairing are judged apart, and
together only where neither alone says it all ("arsenal chelsea").
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

MOST_WORDS: Final = 8
"""Of a text; both names of a long pairing have no more."""

PREFIX: Final = 0.98
MISTYPED: Final = 0.9
"""How alike a beginning and a mistyped word are to the word that was meant, which is 1."""

NOT_FIRST: Final = 0.98
"""For a word that is not the first of its name: whoever types "man" means Manchester before Kazan Man."""

TOGETHER: Final = 0.95
"""For a text that only both names together explain."""

FOUND: Final = 0.55
"""How much of a text a pairing must explain."""

WORD: Final = re.compile(r"[^\W_]+")
LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
"""Those that Unicode does not take apart into a plain letter and an accent."""

Likeness = Mapping[str, float]
"""How alike a typed word is to words of names, where it is at all."""


class TeamSearch:
    """Made once for a list of pairings (home, away); ``find`` reads it from any thread."""

    def __init__(self, pairings: Sequence[tuple[str, str]]) -> None:
        self._pairings = pairings
        self._words = {name: words_of(name) for pairing in pairings for name in pairing}
        self._vocabulary = sorted({word for words in self._words.values() for word in words})

    def find(self, text: str) -> dict[int, float]:
        """How well each pairing is described by the text, by its place in the list; 1 is best, others are left out."""
        typed = words_of(text)[:MOST_WORDS]
        if not typed:
            return {}
        lengths = [len(word) for word in typed]
        likenesses = [self._alike(word) for word in typed]
        profiles = {name: [_best(likeness, words) for likeness in likenesses] for name, words in self._words.items()}
        alone = {name: _mean(profile, lengths) for name, profile in profiles.items()}
        found = {}
        for number, (home, away) in enumerate(self._pairings):
            both = _mean(map(max, profiles[home], profiles[away]), lengths) if alone[home] and alone[away] else 0.0
            score = max(alone[home], alone[away], TOGETHER * both)
            if score >= FOUND:
                found[number] = score
        return found

    def _alike(self, typed: str) -> Likeness:
        alike: dict[str, float] = {}
        errors = _errors_forgiven(typed)
        for length in range(len(typed) - errors, len(typed) + errors + 1) if errors else ():
            beginnings = [word[:length] for word in self._vocabulary]
            near = process.extract(typed, beginnings, scorer=OSA.distance, score_cutoff=errors, limit=None)
            for _, distance, number in near:
                word = self._vocabulary[number]
                alike[word] = max(alike.get(word, 0.0), MISTYPED * (1 - distance / len(typed)))
        alike |= {word: PREFIX for word in self._vocabulary if word.startswith(typed)}
        return alike | ({typed: 1.0} if typed in alike else {})


def words_of(text: str) -> list[str]:
    """Words without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    return WORD.findall("".join(sign for sign in plain if not unicodedata.combining(sign)))


def _errors_forgiven(typed: str) -> int:
    if len(typed) < 4:
        return 0
    return 1 if len(typed) < 7 else 2


def _best(likeness: Likeness, words: Sequence[str]) -> float:
    """The likeness to the nearest of a name's words."""
    if not likeness:
        return 0.0
    return max((likeness.get(word, 0.0) * (NOT_FIRST if place else 1.0) for place, word in enumerate(words)), default=0)


def _mean(values: Iterable[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
