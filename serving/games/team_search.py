"""Search for pairings of teams as the user types: a part of one name or of both, with typing errors or without accents.

Each typed word is compared with the words of every name: equal, a prefix, or a prefix with one or two wrong letters.
The score of a name is the mean score of the typed words, weighted by length. The two names of a pairing are scored
separately, and together only if both match a part of the text ("arsenal chelsea").
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.arrays import sum_in_order

MAX_WORDS: Final = 8
"""Words of a text that are searched for; two long names have no more."""

PREFIX: Final = 0.98
MISTYPED: Final = 0.9
"""Scores of a prefix and of a mistyped prefix; an equal word scores 1."""

NOT_FIRST: Final = 0.98
"""Factor for a word that is not the first of its name: "man" finds Manchester before Kazan Man."""

TOGETHER: Final = 0.95
"""Factor for a text that only both names together match."""

MIN_SCORE: Final = 0.55
"""Pairings with a lower score are left out."""

WORD: Final = re.compile(r"[^\W_]+")
LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
"""Letters that Unicode does not decompose into a plain letter and an accent."""

WordScores = Mapping[str, float]
"""Score of a typed word against the words of names that match it."""


class TeamSearch:
    """An index of pairings (home, away). ``find`` may be called from any thread."""

    def __init__(self, pairings: Sequence[tuple[str, str]]) -> None:
        self._pairings = pairings
        self._words = {name: words_of(name) for pairing in pairings for name in pairing}
        self._vocabulary = sorted({word for words in self._words.values() for word in words})

    def find(self, text: str) -> dict[int, float]:
        """Return the scores of the pairings that match the text, by position in the list; 1 is best."""
        typed = words_of(text)[:MAX_WORDS]
        if not typed:
            return {}
        lengths = [len(word) for word in typed]
        word_scores = [self._match(word) for word in typed]
        profiles = {name: [_best(scores, words) for scores in word_scores] for name, words in self._words.items()}
        name_scores = {name: _mean(profile, lengths) for name, profile in profiles.items()}
        pairing_scores = {}
        for number, (home, away) in enumerate(self._pairings):
            both = (
                _mean(map(max, profiles[home], profiles[away]), lengths)
                if name_scores[home] and name_scores[away]
                else 0.0
            )
            score = max(name_scores[home], name_scores[away], TOGETHER * both)
            if score >= MIN_SCORE:
                pairing_scores[number] = score
        return pairing_scores

    def _match(self, typed: str) -> WordScores:
        scores: dict[str, float] = {}
        errors = _allowed_errors(typed)
        for length in range(len(typed) - errors, len(typed) + errors + 1) if errors else ():
            prefixes = [word[:length] for word in self._vocabulary]
            near = process.extract(typed, prefixes, scorer=OSA.distance, score_cutoff=errors, limit=None)
            for _, distance, number in near:
                word = self._vocabulary[number]
                scores[word] = max(scores.get(word, 0.0), MISTYPED * (1 - distance / len(typed)))
        scores |= {word: PREFIX for word in self._vocabulary if word.startswith(typed)}
        return scores | ({typed: 1.0} if typed in scores else {})


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    return WORD.findall("".join(sign for sign in plain if not unicodedata.combining(sign)))


def _allowed_errors(typed: str) -> int:
    if len(typed) < 4:
        return 0
    return 1 if len(typed) < 7 else 2


def _best(scores: WordScores, words: Sequence[str]) -> float:
    """Return the score of the best matching word of a name."""
    if not scores:
        return 0.0
    return max(
        (scores.get(word, 0.0) * (NOT_FIRST if position else 1.0) for position, word in enumerate(words)), default=0
    )


def _mean(values: Iterable[float], weights: Sequence[int]) -> float:
    return sum_in_order(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
