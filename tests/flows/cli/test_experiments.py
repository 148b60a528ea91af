"""Trying recipes and reading a card on the command line, as in docs/data-scientists.md."""

from pathlib import Path

from tests.flows.conftest import Project


def test_experiments_are_compared_a_card_is_written_and_the_registry_stays_as_it_was(
    trained: Project, tmp_path: Path
) -> None:
    project = trained.copy(tmp_path / "project")
    before = project.json("models")
    tried = project.json(
        "experiment", "--league", "EPL", "--through", "2025-03-31", "--set", "leaves=15", "--without", "form_gap"
    )
    assert (tried["recipe"]["leaves"], "form_gap" in tried["recipe"]["features"]) == (15, False)
    runs = project.json("experiment", "compare", "--league", "EPL", "--against", tried["run_id"][:8])["runs"]
    assert [run["experiment"] for run in runs] == ["EPL", "EPL/experiments"]
    assert (runs[1]["difference"], runs[1]["run_id"]) == (0, tried["run_id"])
    assert runs[0]["shared_games"] > 100
    assert "leaves=15 without form_gap" in project.run("experiment", "compare", "--league", "EPL")
    assert project.json("models") == before
    card = project.json("models", "card", "EPL-results", "--output", "card.html")
    page = (project.folder / card["file"]).read_text()
    assert before["versions"][0]["bundle_sha256"] in page
    assert "--league" in project.run("experiment", expect=2)
    assert "Nearest" in project.run("experiment", "--league", "EPL", "--set", "leafs=3", expect=2)
