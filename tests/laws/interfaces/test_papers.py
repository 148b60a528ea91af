"""The papers keep their form, and everything they refer to exists.

Records of decisions that are superseded describe the past: what they name need not exist any more.
"""

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DECISIONS = ROOT / "docs" / "decisions"
HEADINGS = ["Status", "Context", "Decision", "Consequences", "Alternatives", "References"]
WIDTH = 120
FOLDERS = "core|feature_store|training|serving|flows|migrations|tests|docs|deploy|requirements|mlruns"
PATH = re.compile(rf"(?<![\w/.:-])(?:{FOLDERS})/[\w.-]+(?:/[\w.-]+)*")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PAGE = re.compile(r"[\w./-]*\w\.md\b")
SECTION = re.compile(r"\w\.md\)?,? (?:section )?\d")
TEXT = {".md", ".py", ".toml", ".conf", ".html", ".mako", ".example", ""}


@cache
def tracked() -> tuple[Path, ...]:
    """The repository's files, those that are not committed yet included."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(sorted({path for name in names.stdout.split("\0") if name and (path := ROOT / name).is_file()}))


def papers() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def records() -> list[Path]:
    return [path for path in papers() if path.parent == DECISIONS and path.name != "README.md"]


def sections(record: Path) -> dict[str, str]:
    """The text below each heading, in the order of the page."""
    parts = re.split(r"^## (.+)$", record.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading: text.strip() for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def is_of_the_past(paper: Path) -> bool:
    return paper in records() and sections(paper)["Status"].startswith(("Superseded", "Number not used"))


def prose(paper: Path) -> Iterator[tuple[int, str]]:
    """The lines outside of code blocks, with their numbers."""
    fenced = False
    for number, line in enumerate(paper.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(paper: Path) -> set[str]:
    """What a link may name behind ``#``, by GitHub's rule."""
    headings = [line.lstrip("# ") for _, line in prose(paper) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(paper: Path) -> str:
    return str(paper.relative_to(ROOT))


@pytest.mark.parametrize("record", records(), ids=named)
def test_a_decision_has_its_number_a_title_and_the_six_headings(record: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.md", record.name)
    assert re.match(rf"# {record.name[:4]}: \S.*\n\n## Status\n", record.read_text(encoding="utf-8"))
    assert list(sections(record)) == HEADINGS
    assert all(sections(record).values())


def test_numbers_of_decisions_are_unique_and_without_a_gap() -> None:
    assert [record.name[:4] for record in records()] == [f"{number:04}" for number in range(1, len(records()) + 1)]


def test_the_index_lists_every_decision_with_its_title() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((\S+)\) \| \S.* \|$", index, re.MULTILINE)
    titles = [record.read_text(encoding="utf-8").partition("\n")[0] for record in records()]
    assert [(f"# {number}: {title}", name) for number, title, name in listed] == [
        (title, record.name) for title, record in zip(titles, records(), strict=True)
    ]


def test_a_superseded_decision_and_its_successor_name_each_other() -> None:
    for record in records():
        for successor in re.findall(r"[Ss]uperseded\s+by\s+\[(\d{4})\]", sections(record)["Status"]):
            (page,) = DECISIONS.glob(f"{successor}-*.md")
            assert f"[{record.name[:4]}]" in sections(page)["Status"], f"{page.name} does not name {record.name}"


@pytest.mark.parametrize("paper", papers(), ids=named)
def test_every_relative_link_leads_somewhere(paper: Path) -> None:
    for number, line in prose(paper):
        for target in LINK.findall(line):
            if "://" in target or target.startswith("mailto:"):
                continue
            name, _, anchor = target.partition("#")
            page = (paper.parent / name).resolve() if name else paper
            assert page.exists(), f"{named(paper)}:{number}: {target}"
            assert not anchor or anchor in anchors(page), f"{named(paper)}:{number}: {target}"


@pytest.mark.parametrize("paper", papers(), ids=named)
def test_every_path_that_a_paper_names_exists(paper: Path) -> None:
    if is_of_the_past(paper):
        return
    for number, line in enumerate(paper.read_text(encoding="utf-8").splitlines(), start=1):
        for path in PATH.findall(line):
            assert exists(path.rstrip(".")), f"{named(paper)}:{number}: {path}"


def exists(path: str) -> bool:
    """Whether a file or folder is tracked; a decision may be named by its number alone."""
    if re.fullmatch(r"docs/decisions/\d{4}", path):
        return any(ROOT.glob(f"{path}-*.md"))
    return ROOT / path in files_and_folders()


@cache
def files_and_folders() -> frozenset[Path]:
    return frozenset(place for file in tracked() for place in (file, *file.parents))


@pytest.mark.parametrize("paper", papers(), ids=named)
def test_every_name_that_an_example_imports_exists(paper: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", paper.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                for name in node.names:
                    if not hasattr(module, name.name):
                        importlib.import_module(f"{node.module}.{name.name}")


@pytest.mark.parametrize("paper", papers(), ids=named)
def test_no_line_is_wider_than_120_characters_outside_of_tables_and_code(paper: Path) -> None:
    wide = [number for number, line in prose(paper) if len(line) > WIDTH and not line.startswith("|")]
    assert not wide, f"lines {wide} of {named(paper)}"


def test_no_file_refers_to_a_page_that_is_not_in_the_repository() -> None:
    """Nor to a numbered section of one: pages here have none."""
    pages = {page.name for page in papers()}
    dangling = []
    for file in tracked():
        if file.suffix not in TEXT or file == Path(__file__) or is_of_the_past(file):
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            missing = [page for page in PAGE.findall(line) if Path(page).name not in pages]
            if missing or SECTION.search(line):
                dangling.append(f"{named(file)}:{number}: {line.strip()}")
            dangling += [
                f"{named(file)}:{number}: {record}"
                for record in re.findall(r"docs/decisions/\d{4}", line)
                if not exists(record)
            ]
    assert not dangling, "\n".join(dangling)
