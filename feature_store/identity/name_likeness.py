"""How alike two names of clubs are, as one number: their words compared, in any order, without accents.

Names of the same words are equal (1.0), short forms and forms of organisation (FC, 1., 04) left aside. A name that the
other one contains (Newcastle, Newcastle United) is 0.75 to 0.95 like it. Where each has a word that the other lacks
(Manchester City, Manchester United) the likeness is at most 0.3, however much they share; so it is for a club and its
reserves.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz

from feature_store.identity.name_words import (
    GENERIC,
    LETTERS,
    LONGEST_PHRASE,
    MEANINGLESS,
    PHRASES,
    RESERVES,
    SYNONYMS,
    WHOLE_NAMES,
)

SAME: Final = 1.0
CONTAINED: Final = 0.95
"""Likeness of a name to one with a further word, before ``PER_SHARE``."""
PER_SHARE: Final = 0.2
"""What the further words take away: this, times their share of the weight of all words."""
CONTRADICTING: Final = 0.3
GENERIC_WEIGHT: Final = 0.4
"""Weight of a word that several clubs carry; that of any other word is 1."""
MISSPELT: Final = 80
"""Of 100, from where on two words of at least ``SHORTEST_MISSPELT`` letters are spellings of one."""
SHORTEST_MISSPELT: Final = 5
SHORTEST_BEGINNING: Final = 3
"""Letters of a word that stands for a longer one that begins with it."""
BEGINNING: Final = 0.9
INITIALS: Final = 0.85
LONGEST_INITIALS: Final = 4
OLD_YEARS: Final = re.compile(r"\d{1,2}|18(?!60)\d\d|19[0-2]\d")
"""Numbers that say when a club was founded, or nothing; 1860 is the name of a club."""


def likeness(sport: str, one: str, other: str) -> float:
    """How alike two names are in the sport, from 0 to 1; symmetric."""
    return _compare(sport, *sorted((one, other)))


@lru_cache(maxsize=20_000)
def block_keys(sport: str, name: str) -> frozenset[str]:
    """Keys of which names that are alike share one: the beginnings of their words, and their initials."""
    words = words_of(sport, name)
    return frozenset(
        {word[:SHORTEST_BEGINNING] for word in words} | {"=" + _initials(sport, name), "=" + "".join(words)}
    )


@lru_cache(maxsize=20_000)
def words_of(sport: str, name: str) -> tuple[str, ...]:
    """The words that identify the name, in alphabetical order."""
    words = _expand(sport, _plain_words(name))
    kept = [word for word in words if word not in MEANINGLESS and not OLD_YEARS.fullmatch(word)]
    return tuple(sorted(kept or words))


@lru_cache(maxsize=100_000)
def _compare(sport: str, one: str, other: str) -> float:
    words, others = words_of(sport, one), words_of(sport, other)
    if words == others:
        return SAME
    if RESERVES.intersection(words) != RESERVES.intersection(others):
        return CONTRADICTING
    if _is_initials(sport, one, other) or _is_initials(sport, other, one):
        return INITIALS
    shared = whole = 0.0
    left, right = [*words], [*others]
    for alike, word, match in sorted(_likest(words, others), reverse=True):
        if word in left and match in right:
            left.remove(word)
            right.remove(match)
            weight = max(_weight(sport, word), _weight(sport, match))
            whole += weight
            shared += alike * weight
    return _judge(shared, whole, *(sum(_weight(sport, word) for word in unmatched) for unmatched in (left, right)))


def _judge(shared: float, whole: float, left: float, right: float) -> float:
    """The likeness by the weight of the words that both have, and of those that only one has."""
    if not whole:
        return 0.0
    everything = whole + left + right
    if left and right:
        return min(CONTRADICTING, shared / everything)
    further = CONTAINED - PER_SHARE * (left + right) / everything if left or right else SAME
    common = shared / whole * further
    return common if whole >= 1 or not (left or right) else min(common, CONTRADICTING)


def _likest(words: tuple[str, ...], others: tuple[str, ...]) -> Iterator[tuple[float, str, str]]:
    """Every two words that may be one, with their likeness.

    A word is short for another one only in a name that does not have more words than the other name, and misspelt only
    in a name of as many words.
    """
    for word in words:
        for match in others:
            own, longer = (len(words), len(others)) if len(word) <= len(match) else (len(others), len(words))
            if word == match:
                yield 1.0, word, match
            elif own <= longer and _begins(word, match):
                yield BEGINNING, word, match
            elif own == longer and (ratio := fuzz.ratio(word, match)) >= MISSPELT and _is_long(word, match):
                yield ratio / 100, word, match


def _begins(word: str, match: str) -> bool:
    short, long = sorted((word, match), key=len)
    return len(short) >= SHORTEST_BEGINNING and long.startswith(short)


def _is_long(word: str, match: str) -> bool:
    return min(len(word), len(match)) >= SHORTEST_MISSPELT


def _weight(sport: str, word: str) -> float:
    return GENERIC_WEIGHT if sport == "soccer" and word in GENERIC else 1.0


def _is_initials(sport: str, short: str, long: str) -> bool:
    letters = "".join(_plain_words(short))
    return 1 < len(letters) <= LONGEST_INITIALS and letters == _initials(sport, long)


def _initials(sport: str, name: str) -> str:
    words = _expand(sport, _plain_words(name))
    return "".join(word[0] for word in words) if len(words) > 1 else "".join(words)


def _plain_words(name: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", name.casefold().translate(LETTERS))
    letters = (sign for sign in decomposed if not unicodedata.combining(sign))
    return "".join(sign if sign.isalnum() else " " for sign in letters).split() or [name]


def _expand(sport: str, words: list[str]) -> list[str]:
    """The words with short forms written out, the longest phrase first."""
    phrases = PHRASES.get(sport, SYNONYMS)
    whole = WHOLE_NAMES.get(sport, {}).get(" ".join(words))
    if whole is not None:
        return whole.split()
    written: list[str] = []
    place = 0
    while place < len(words):
        for length in range(min(LONGEST_PHRASE, len(words) - place), 0, -1):
            full = phrases.get(" ".join(words[place : place + length]))
            if full is not None:
                break
        written += (full or words[place]).split()
        place += length if full is not None else 1
    return written
