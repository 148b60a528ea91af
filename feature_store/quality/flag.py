"""What a quality check has found."""

from typing import Literal, NamedTuple


class Flag(NamedTuple):
    """Something about a league's data that a person must know; a refusal stops the training."""

    level: Literal["warning", "refusal", "accepted"]
    league: str
    season: int | None
    about: str
    """The rate, column or feature by its own name."""
    what: str
    numbers: str

    @property
    def name(self) -> str:
        """The name by which a person accepts it, the same in every run: ``EPL-2018-density``."""
        return "-".join(str(part) for part in (self.league, self.season, self.about) if part is not None)

    def __str__(self) -> str:
        season = "" if self.season is None else f" {self.season}"
        accepted = f" (accepted as {self.name})" if self.level == "accepted" else ""
        return f"{self.league}{season}: {self.what}: {self.numbers}{accepted}"
