"""Answers of API-Sports as its documentation shows them, sport by sport, with invented clubs."""

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def answer(*response: Any, errors: Any = (), page: int = 1, pages: int = 1) -> dict[str, Any]:
    return {
        "get": "x",
        "parameters": {},
        "errors": list(errors) if errors == () else errors,
        "results": len(response),
        "paging": {"current": page, "total": pages},
        "response": list(response),
    }


def fixture(number: int = 71, short: str = "NS", goals: tuple[Any, Any] = (None, None), **more: Any) -> dict[str, Any]:
    """A record of API-FOOTBALL."""
    home, away = goals
    return {
        "fixture": {
            "id": number,
            "referee": None,
            "timezone": "UTC",
            "date": more.pop("date", "2026-11-21T15:00:00+00:00"),
            "timestamp": 1795273200,
            "status": {"long": more.pop("long", ""), "short": short, "elapsed": None},
        },
        "league": {
            "id": 39,
            "name": "Premier League",
            "season": 2026,
            "round": more.pop("round", "Regular Season - 12"),
        },
        "teams": {"home": {"id": 1, "name": "Northbridge United"}, "away": {"id": 2, "name": "Southport Rovers"}},
        "goals": {"home": home, "away": away},
        "score": {
            "halftime": {"home": None, "away": None},
            "fulltime": {"home": home, "away": away},
            "extratime": {"home": None, "away": None},
            "penalty": {"home": None, "away": None},
        },
        **more,
    }


def game(league: int, season: str, scores: Any, short: str = "NS", **more: Any) -> dict[str, Any]:
    """A record of the other APIs: basketball, baseball, hockey, rugby, handball, volleyball."""
    return {
        "id": 71,
        "date": "2026-11-21T15:00:00+00:00",
        "time": "15:00",
        "timestamp": 1795273200,
        "timezone": "UTC",
        "stage": None,
        "week": None,
        "status": {"long": "", "short": short, "timer": None},
        "league": {"id": league, "name": "x", "type": "League", "season": season, "logo": ""},
        "teams": {"home": {"id": 1, "name": "Northbridge"}, "away": {"id": 2, "name": "Southport"}},
        "scores": scores,
        **more,
    }


def gridiron_game(short: str = "NS", home: Any = None, away: Any = None, **more: Any) -> dict[str, Any]:
    """A record of API-AMERICAN-FOOTBALL."""
    day = {"timezone": "UTC", "date": "2026-11-21", "time": "15:00", "timestamp": 1795273200}
    status = {"short": short, "long": "", "timer": None}
    return {
        "game": {"id": 71, "stage": "Regular Season", "week": "Week 12", "date": day, "status": status, **more},
        "league": {"id": 1, "name": "NFL", "season": "2026"},
        "teams": {"home": {"id": 8, "name": "Northbridge"}, "away": {"id": 27, "name": "Southport"}},
        "scores": {"home": {"quarter_1": 0, "total": home}, "away": {"quarter_1": 0, "total": away}},
    }


def bet(name: str, **odds: Any) -> dict[str, Any]:
    return {"id": 1, "name": name, "values": [{"value": value, "odd": odd} for value, odd in odds.items()]}


def bookmaker(name: str, *bets: dict[str, Any]) -> dict[str, Any]:
    return {"id": 8, "name": name, "bets": list(bets)}


def prices(*bookmakers: dict[str, Any], number: int = 71, place: str = "game", **more: Any) -> dict[str, Any]:
    """An entry of the path ``odds``; ``place`` is ``fixture`` in API-FOOTBALL."""
    return {place: {"id": number}, "update": "2026-11-21T11:40:00+00:00", "bookmakers": list(bookmakers), **more}


WINNER = bet("Match Winner", Home="1.95", Draw="3.60", Away="4.10")
TWO_WAY = bet("Home/Away", Home="1.60", Away="2.45")
HANDICAP = bet(
    "Asian Handicap",
    **{
        "Home -1": "2.75", "Away -1": "1.44", "Home -0.5": "1.93", "Away -0.5": "1.95",
        "Home +0": "1.45", "Away +0": "2.80", "Home +0.5": "1.25",
    },
)  # fmt: skip
GOALS = bet(
    "Goals Over/Under",
    **{"Over 1.5": "1.25", "Under 1.5": "3.90", "Over 2.5": "1.85", "Under 2.5": "2.00", "Over 3.5": "3.30"},
)
BOTH = bet("Both Teams Score", Yes="1.80", No="1.96")
POINTS = bet("Over/Under", **{"Over 220.5": "1.90", "Under 220.5": "1.92", "Over 230.5": "2.60", "Under 230.5": "1.48"})
