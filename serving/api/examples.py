"""Examples in the OpenAPI document; a test validates each against its schema."""

from typing import Any, Final

PREDICTION: Final[dict[str, Any]] = {
    "game": {
        "sport": "soccer",
        "league": "EPL",
        "game_id": "1035037",
        "home_team": "Arsenal",
        "away_team": "Bournemouth",
        "start_at": "2024-05-04T11:30:00Z",
        "date_only": False,
        "neutral": False,
        "status": "scheduled",
    },
    "probabilities": {"home": 0.71, "draw": 0.18, "away": 0.11},
    "interval": {
        "selection": "home",
        "low": 0.66,
        "high": 0.75,
        "method": "90 % range of how often favourites like this one won",
    },
    "fair_odds": {
        "home": {"decimal": 1.4085, "american": -245},
        "draw": {"decimal": 5.5556, "american": 456},
        "away": {"decimal": 9.0909, "american": 809},
    },
    "expected": {"margin": 1.4, "total": 3.1, "home_score": 2.25, "away_score": 0.85},
    "market": {
        "home": 0.74,
        "draw": 0.16,
        "away": 0.1,
        "spread_line": 1.0,
        "total_line": 3.25,
        "over": 0.52,
        "overround": 0.043,
    },
    "model": {
        "name": "EPL-prices",
        "version": 3,
        "variant": "prices",
        "features": "5a1b6d0f" * 8,
        "trained_until": "2024-05-01T00:00:00Z",
        "data_sha256": "0c9d2e4f" * 8,
    },
    "data_quality": "good",
    "reasons": [
        {"text": "rating gap 182 for the home side", "favours": "home", "effect": 0.61},
        {"text": "away side played yesterday", "favours": "home", "effect": 0.08},
        {"text": "away side in better form: 20 % more of the points lately", "favours": "away", "effect": -0.05},
    ],
    "as_of": "2024-05-03T18:00:00Z",
    "checked_at": "2024-05-04T06:00:00Z",
    "age_s": 312.4,
    "disagreement": 0.011,
    "best": {
        "home": {"book": "pinnacle", "decimal": 1.36, "american": -278, "quoted_at": "2024-05-04T06:05:00Z"},
        "draw": {"book": "bet365", "decimal": 5.5, "american": 450, "quoted_at": "2024-05-04T06:03:20Z"},
        "away": {"book": "bet365", "decimal": 9.5, "american": 850, "quoted_at": "2024-05-04T06:03:20Z"},
    },
    "quoted_at": "2024-05-04T06:03:20Z",
    "books": 6,
    "price_age_s": 112.4,
    "stale": False,
    "cache": "local",
}


DATED: Final[dict[str, Any]] = {
    "as_of": "2024-05-03T18:00:00Z",
    "checked_at": "2024-05-04T06:00:00Z",
    "age_s": 312.4,
    "stale": False,
}

PRICE_AGES: Final[dict[str, Any]] = {
    "quoted_at": "2024-05-04T06:03:20Z",
    "price_age_s": 112.4,
    "books": 6,
    "disagreement": 0.011,
}

PRICE: Final[dict[str, Any]] = {
    "game": PREDICTION["game"],
    "market": "total",
    "selection": "over",
    "line": 2.5,
    "win": 0.58,
    "push": 0.0,
    "lose": 0.42,
    "fair_odds": {"decimal": 1.7241, "american": -138},
    "by_market": {"win": 0.53, "push": 0.0, "lose": 0.47},
    **PRICE_AGES,
    "best": {
        "book": "pinnacle",
        "decimal": 1.93,
        "american": -108,
        "quoted_at": "2024-05-04T06:05:00Z",
        "price_age_s": 12.4,
    },
    "offer": {
        "decimal": 1.9091,
        "american": -110,
        "value": {
            "win": 0.54,
            "push": 0.0,
            "lose": 0.46,
            "expected_value": 0.0309,
            "low": -0.0062,
            "high": 0.0672,
            "is_value": False,
        },
        "stake": 0.0,
        "reason": "edge_uncertain",
        "note": "No stake: the 90 % interval of the edge includes zero.",
    },
    "model": {"name": "EPL-prices", "version": 3},
    **DATED,
}


VALUES: Final[dict[str, Any]] = {
    "items": [
        {
            "game": PREDICTION["game"],
            "market": "total",
            "selection": "over",
            "line": 2.5,
            "price": PRICE["best"],
            "value": {
                "win": 0.55,
                "push": 0.0,
                "lose": 0.45,
                "expected_value": 0.0615,
                "low": 0.0114,
                "high": 0.1116,
                "is_value": True,
            },
            "stake": 1.65,
            "model": {"name": "EPL-prices", "version": 3},
            **PRICE_AGES,
            **DATED,
        }
    ],
    "games": 48,
    "judged": 46,
}

MOVEMENT: Final[dict[str, Any]] = {
    "game": PREDICTION["game"],
    "bets": [
        {
            "market": "total",
            "selection": "over",
            "books": [
                {
                    "book": "pinnacle",
                    "opening": {
                        "at": "2024-05-01T10:00:00Z",
                        "line": 2.5,
                        "decimal": 2.02,
                        "american": 102,
                        "chance": 0.4819,
                    },
                    "latest": {
                        "at": "2024-05-04T05:10:00Z",
                        "line": 2.5,
                        "decimal": 1.93,
                        "american": -108,
                        "chance": 0.5052,
                    },
                    "moved": 0.0233,
                    "changes": 4,
                }
            ],
            "steam": [],
        }
    ],
    "note": None,
}

PARLAY_QUESTION: Final[dict[str, Any]] = {
    "legs": [
        {
            "sport": "soccer",
            "league": "EPL",
            "game_id": "1035037",
            "bets": [
                {"market": "moneyline", "selection": "home", "line": None},
                {"market": "total", "selection": "over", "line": 2.5},
            ],
            "odds": 2.1,
        },
        {
            "sport": "soccer",
            "league": "EPL",
            "game_id": "1035038",
            "bets": [{"market": "moneyline", "selection": "away", "line": None}],
            "odds": 130,
        },
    ],
    "bankroll": 100.0,
}


PARLAY: Final[dict[str, Any]] = {
    "legs": [
        {
            "game": PREDICTION["game"],
            "bets": PARLAY_QUESTION["legs"][0]["bets"],
            "win": 0.47,
            "push": 0.0,
            "lose": 0.53,
            "fair_odds": {"decimal": 2.1277, "american": 113},
            "decimal": 2.1,
            "model": {"name": "EPL-prices", "version": 3},
            **PRICE_AGES,
            "best": None,
            **DATED,
        },
        {
            "game": {**PREDICTION["game"], "game_id": "1035038", "home_team": "Burnley", "away_team": "Newcastle"},
            "bets": PARLAY_QUESTION["legs"][1]["bets"],
            "win": 0.44,
            "push": 0.0,
            "lose": 0.56,
            "fair_odds": {"decimal": 2.2727, "american": 127},
            "decimal": 2.3,
            "model": {"name": "EPL-prices", "version": 3},
            **PRICE_AGES,
            "best": PRICE["best"],
            **DATED,
        },
    ],
    "win": 0.2068,
    "push": 0.0,
    "lose": 0.7932,
    "fair_odds": {"decimal": 4.8356, "american": 384},
    "offer": {
        "decimal": 4.83,
        "american": 383,
        "value": {
            "win": 0.2,
            "push": 0.0,
            "lose": 0.8,
            "expected_value": -0.034,
            "low": -0.081,
            "high": 0.015,
            "is_value": False,
        },
        "stake": 0.0,
        "reason": "edge_uncertain",
        "note": "No stake: the 90 % interval of the edge includes zero.",
    },
}


PROBLEM: Final[dict[str, Any]] = {
    "type": "urn:dbsbm:problem:NOT_FOUND_ERROR",
    "title": "Resource not found",
    "status": 404,
    "code": "NOT_FOUND_ERROR",
    "detail": "There is no league 'ELP'.",
    "hint": "Nearest: EPL.",
    "request_id": "0f3a7c5e9b1d4f6a8c2e0b4d6f8a1c3e",
    "nearest": ["EPL"],
    "resource_type": "league",
}


INFERENCE: Final[dict[str, Any]] = {
    "id": "42",
    "inputs": [
        {"name": "elo_gap", "shape": [2], "datatype": "FP64", "data": [85.2, None]},
        {"name": "rest_gap", "shape": [2], "datatype": "FP64", "data": [1.0, -3.0]},
    ],
    "outputs": [{"name": "p_home"}, {"name": "p_draw"}, {"name": "p_away"}],
}


INVOCATION: Final[dict[str, Any]] = {
    "dataframe_split": {"columns": ["elo_gap", "rest_gap"], "data": [[85.2, 1.0], [None, -3.0]]}
}
