"""One meaning per word: class names are unique, and text that people read is plain English.

The list holds the dialect of the first versions and their private metaphors. A word may be right in one place, such as
inside a quotation: then that place stands in ``ALLOWED`` with its reason.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("core", "feature_store", "training", "serving", "flows", "migrations")
TEXT_SUFFIXES = {".md", ".toml", ".conf", ".yml", ".yaml", ".example"}

INSTEAD = {
    r"told": "said, reported, named; or name who does what",
    r"tells? (?:him|her|them|it|us|you|people) (?:that|what|why|how)": "says, shows",
    r"believ(?:e|es|ed|ing)": "trust, accept, use; of a weight: learn",
    r"nobody": "no one, no caller; or say who",
    r"be had": "be available, be obtained",
    r"had to be": "was; or present tense, must be",
    r"at hand": "available, in memory, cached",
    r"as good as (?:none|nothing)": "almost none",
    r"of ours": "our, this project's; or name it",
    r"(?:is|are|was|were|be|being|been|stays?|goes|gone|went) away(?! (?:team|side|win|score|goal))": "is unavailable, is down",
    r"knows? nothing (?:of|about)": "does not depend on, does not import",
    r"let pass|lets? through": "admit, allow",
    r"go(?:es|ing)? on|went on": "continue",
    r"says? why|said why": "see …; gives the reason",
    r"lanes?": "hit path",
    r"rungs?": "checkpoint",
    r"ladders?": "checkpoints",
    r"twins?": "duplicate games",
    r"shelf|shelves": "bundle store",
    r"(?<!exponential )tilting|tilted(?! exponentially)": "reweighting (the statistical term is *exponential tilting*)",
}
"""Patterns that stay out of text, each with what to write instead."""

WORD = re.compile(
    "|".join(rf"(?P<w{number}>\b(?:{pattern})\b)" for number, pattern in enumerate(INSTEAD)), re.IGNORECASE
)
BREAK = re.compile(r"\s+(?:#\s+)?")

ALLOWED: dict[tuple[str, str], str] = {
    ("GLOSSARY.md", "*"): "the glossary may name the words that others replaced",
    ("tests/laws/architecture/test_words.py", "*"): "this list",
    ("tests/feature_store/identity/test_game_matching.py", "Minnesota"): "the name of a club",
}
"""(file, text around the word or ``*``) and why the word is right there."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every piece of text for people with the line it begins at: comments and strings of code, other files whole."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, content
        return
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield token.start[0], token.string


def files() -> list[Path]:
    written = [path for path in ROOT.iterdir() if path.is_file() and path.name != "LICENSE"]
    for folder in (*ROOMS, "tests", "docs", "deploy"):
        written += (ROOT / folder).rglob("*")
    return sorted(
        path
        for path in written
        if path.suffix in (*TEXT_SUFFIXES, ".py") or path.name == "Makefile" or path.name == ".env.example"
    )


def is_allowed(name: str, around: str) -> bool:
    return any(file == name and (text == "*" or text in around) for file, text in ALLOWED)


def found(path: Path) -> Iterator[str]:
    name = str(path.relative_to(ROOT))
    for line, text in texts(path):
        for match in WORD.finditer(text):
            around = " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())
            if not is_allowed(name, around):
                instead = list(INSTEAD.values())[int(str(match.lastgroup)[1:])]
                yield f"{name}:{line + text.count(chr(10), 0, match.start())}: {match[0]!r} -> {instead}"


@pytest.mark.parametrize("room", [*ROOMS, "tests", "docs", "the rest"])
def test_the_old_dialect_stays_out_of_text(room: str) -> None:
    mine = [
        path for path in files() if (path.relative_to(ROOT).parts[0] if path.parent != ROOT else "the rest") == room
    ]
    hits = [hit for path in mine for hit in found(path)]
    assert not hits, f"{len(hits)} words to replace:\n" + "\n".join(hits)


def test_every_class_name_is_unique() -> None:
    places = defaultdict(list)
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    repeated = [f"{name}: {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1]
    assert not repeated, "classes of one name:\n" + "\n".join(repeated)
