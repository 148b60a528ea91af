"""The encoding of a CSV file: one for the whole file, by its mark, by declaration or by detection.

Nothing is mixed by guess: a byte that the file's encoding does not have stays in the text as a lone surrogate and
damages the cell it stands in, if that cell is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import charset_normalizer

from core.errors import ValidationError
from core.files.text import split_mark

Encoding = Literal[
    "utf-8", "utf-16", "cp1252", "latin-1", "latin-2", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257"
]  # fmt: skip
"""What a mapping may declare."""

DETECTED: Final = ("cp1252", "latin_1")
DETECTED_WIDE: Final = ("utf_16_le", "utf_16_be")
"""What is detected. Others resemble these too closely in a few names and need a declaration."""

MOST_EVIDENCE: Final = 300
"""Lines with other bytes than ASCII that the detector looks at; all others say nothing of the encoding."""

_NOT_CP1252: Final = b"\x81\x8d\x8f\x90\x9d"
"""Bytes that are no characters in cp1252 and control characters in Latin-1."""

_LINE_BEYOND_ASCII = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*")
STRAY: Final = re.compile("[\udc80-\udcff]")
"""A byte that could not be decoded, as the error handler ``surrogateescape`` leaves it."""

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True)
class DecodedText:
    """The text of a file, its encoding, whether that was detected, and whether bytes are left that it does not have."""

    text: str
    encoding: str
    detected: bool = False
    has_strays: bool = False


def decode_text(content: bytes, declared: Sequence[str] = ()) -> DecodedText:
    """Decode a file by its byte-order mark, else by the first declared encoding that fits, else as UTF-8, else detect.

    UTF-8 with a few damaged bytes stays UTF-8. Raises ValidationError for damaged UTF-16 and UTF-32.
    """
    marked, content = split_mark(content)
    if marked:
        return _decode_leniently(content, marked)
    declared = [_with_byte_order(encoding, content) for encoding in declared]
    for encoding in declared or (() if _is_wide(content) else ("utf-8",)):
        try:
            return DecodedText(content.decode(encoding), encoding)
        except UnicodeDecodeError:
            if encoding == "utf-8" and (damaged := _mostly_utf8(content)):
                return damaged
    if declared:
        return _decode_leniently(content, declared[-1])
    found = _detect(content)
    return _decode_leniently(content, found, detected=True) if found else _decode_leniently(content, "utf-8")


def _mostly_utf8(content: bytes) -> DecodedText | None:
    """The text as UTF-8 if it has at least as many sound characters beyond ASCII as damaged bytes."""
    decoded = _decode_leniently(content, "utf-8")
    return decoded if 2 * len(STRAY.findall(decoded.text)) <= len(_BEYOND_ASCII.findall(decoded.text)) else None


def _decode_leniently(content: bytes, encoding: str, *, detected: bool = False) -> DecodedText:
    wide = encoding.startswith(("utf-16", "utf-32", "utf_16"))
    try:
        text = content.decode(encoding, "strict" if wide else "surrogateescape")
    except UnicodeDecodeError as error:
        raise ValidationError(f"not {encoding} at byte {error.start + 1}", field="PATH") from error
    return DecodedText(text, encoding, detected, not wide and STRAY.search(text) is not None)


def _with_byte_order(encoding: str, content: bytes) -> str:
    """The encoding, UTF-16 with the order of bytes that a text without a mark shows: letters have a zero byte first."""
    if encoding != "utf-16":
        return encoding
    return "utf-16-be" if content[::2].count(0) > content[1::2].count(0) else "utf-16-le"


def _is_wide(content: bytes) -> bool:
    """Whether every third byte or more is zero, as in UTF-16 and never in a text of single bytes."""
    return content.count(0) * 3 >= max(len(content), 1)


def _detect(content: bytes) -> str | None:
    if _is_wide(content):
        evidence, candidates = content[: 1 << 16], DETECTED_WIDE
    else:
        lines = _LINE_BEYOND_ASCII.findall(content)[:MOST_EVIDENCE]
        # One stray byte must not hide what all the others say.
        evidence, candidates = b"\n".join(lines).translate(None, _NOT_CP1252), DETECTED
    best = charset_normalizer.from_bytes(evidence, cp_isolation=list(candidates)).best()
    return best.encoding if best is not None else None
