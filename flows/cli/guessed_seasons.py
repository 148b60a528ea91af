"""How a command announces seasons that were guessed because the source states none."""

from collections.abc import Iterator, Mapping


def describe_guesses(guessed: Mapping[str, Mapping[int, int]]) -> Iterator[str]:
    """One line per league, with the number of games by season."""
    for league, seasons in sorted(guessed.items()):
        shown = ", ".join(f"{season} ({games:,} games)" for season, games in sorted(seasons.items()))
        yield f"season not stated, guessed from gaps in the schedule: {league} {shown}"
