"""How people and programs write signs, fractions, spaces and missing values, in the notation that Python reads."""

import re
from typing import Final

MISSING: Final = (
    "NA", "N/A", "n.a.", "NaN", "NaT", "<NA>", "null", "None", r"\N", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "#N/A",
)  # fmt: skip
"""Cells that say that nothing is known, as written here or in one case, unless a mapping declares others."""

_SPACES: Final = dict.fromkeys(
    map(ord, "\N{NO-BREAK SPACE}\N{FIGURE SPACE}\N{THIN SPACE}\N{HAIR SPACE}\N{NARROW NO-BREAK SPACE}\N{EN SPACE}"
             "\N{EM SPACE}\N{SIX-PER-EM SPACE}\N{FOUR-PER-EM SPACE}\N{THREE-PER-EM SPACE}\N{PUNCTUATION SPACE}"
             "\N{MEDIUM MATHEMATICAL SPACE}\N{IDEOGRAPHIC SPACE}"), " ",
)  # fmt: skip
_SIGNS: Final = {
    **dict.fromkeys(
        map(ord, "\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{SMALL HYPHEN-MINUS}"
                 "\N{FULLWIDTH HYPHEN-MINUS}"), "-",
    ),
    ord("\N{FULLWIDTH PLUS SIGN}"): "+",
}  # fmt: skip
_FRACTIONS: Final = {"¼": ".25", "½": ".5", "¾": ".75"}

_GROUPED = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
"""A space between groups of thousands: thin or non-breaking, for a plain one may part two numbers."""

_NUMBER = re.compile(r"([+-]?) ?(\d*(?:\.\d*)?) ?([¼½¾]?)")


def spellings_of_missing(word: str) -> set[str]:
    """The word in every case, a hyphen also as any of the signs that typography has for it."""
    dashes = {chr(sign) for sign, plain in _SIGNS.items() if plain == word}
    return {word, word.lower(), word.upper(), word.title(), *dashes}


def plain_spaces(text: str) -> str:
    """The text with every kind of space as a plain one, and none at its ends."""
    return text if text.isascii() else text.translate(_SPACES).strip()


def plain_number(text: str, decimal: str = ".") -> str:
    """The number as Python reads it; the text itself if it is no number in this notation.

    Signs of typography, non-breaking and thin spaces, and quarters are understood: -3½ is -3.5. With ``decimal`` ","
    a point is no part of a number.
    """
    if decimal == "," and "." in text:
        return f"{text} (not with a decimal comma)"
    plain = plain_spaces(_GROUPED.sub("", text)).translate(_SIGNS)
    parts = _NUMBER.fullmatch(plain.replace(",", ".") if decimal == "," else plain)
    if parts is None or not (parts[2] or parts[3]) or ("." in parts[2] and parts[3]):
        return text
    return f"{parts[1]}{parts[2]}{_FRACTIONS.get(parts[3], '')}"
