"""The bot's real tables in a MariaDB database, and rows as its writers leave them."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

API_GAMES = """
CREATE TABLE api_games (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    api_game_id VARCHAR(50) NOT NULL,
    sport VARCHAR(50) NOT NULL,
    league_id VARCHAR(50) NOT NULL,
    league_name VARCHAR(150) NULL,
    home_team_id BIGINT NULL,
    away_team_id BIGINT NULL,
    home_team_name VARCHAR(150) NULL,
    away_team_name VARCHAR(150) NULL,
    start_time TIMESTAMP NULL,
    end_time TIMESTAMP NULL,
    status VARCHAR(20) NULL,
    score JSON NULL,
    venue VARCHAR(150) NULL,
    referee VARCHAR(100) NULL,
    season VARCHAR(10) NULL,
    raw_json JSON NOT NULL,
    fetched_at DATETIME NOT NULL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    UNIQUE KEY unique_game (sport, league_id, api_game_id),
    KEY (sport, league_name), KEY (season), KEY (start_time), KEY (status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

GAMES = """
CREATE TABLE games (
    id BIGINT NOT NULL PRIMARY KEY,
    sport VARCHAR(50) NOT NULL,
    league_id BIGINT NULL,
    league_name VARCHAR(150) NULL,
    home_team_id BIGINT NULL,
    away_team_id BIGINT NULL,
    home_team_name VARCHAR(150) NULL,
    away_team_name VARCHAR(150) NULL,
    home_team_logo VARCHAR(255) NULL,
    away_team_logo VARCHAR(255) NULL,
    start_time TIMESTAMP NULL,
    end_time TIMESTAMP NULL,
    status VARCHAR(20) NULL,
    score JSON NULL,
    venue VARCHAR(150) NULL,
    referee VARCHAR(100) NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    KEY (league_id, status, start_time), KEY (start_time), KEY (status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

BETS = """
CREATE TABLE bets (
    bet_serial BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    event_id VARCHAR(255) NULL,
    guild_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    message_id BIGINT NULL,
    channel_id BIGINT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    game_id BIGINT NULL,
    bet_type VARCHAR(50) NULL,
    player_prop VARCHAR(255) NULL,
    player_id VARCHAR(50) NULL,
    league VARCHAR(50) NOT NULL,
    team VARCHAR(100) NULL,
    opponent VARCHAR(50) NULL,
    line VARCHAR(255) NULL,
    odds DECIMAL(10,2) NULL,
    units DECIMAL(10,2) NOT NULL,
    legs INT NULL,
    bet_won TINYINT DEFAULT 0,
    bet_loss TINYINT DEFAULT 0,
    confirmed TINYINT DEFAULT 0,
    game_start DATETIME NULL,
    result_value DECIMAL(15,2) NULL,
    result_description TEXT NULL,
    expiration_time TIMESTAMP NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    bet_details LONGTEXT NOT NULL,
    KEY (guild_id), KEY (user_id), KEY (status), KEY (created_at), KEY (game_id),
    FOREIGN KEY (game_id) REFERENCES games (id) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

USERS = """
CREATE TABLE users (
    user_id BIGINT NOT NULL PRIMARY KEY,
    username VARCHAR(100) NULL,
    balance DECIMAL(15,2) DEFAULT 1000.00,
    frozen_balance DECIMAL(15,2) DEFAULT 0.00,
    join_date TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_seen TIMESTAMP NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

USER_SETTINGS = """
CREATE TABLE user_settings (
    user_id BIGINT NOT NULL PRIMARY KEY,
    notification_preferences JSON NULL,
    analytics_consent BOOLEAN DEFAULT FALSE,
    ml_recommendations_enabled BOOLEAN DEFAULT FALSE,
    webhook_notifications BOOLEAN DEFAULT FALSE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

GUILD_SETTINGS = """
CREATE TABLE guild_settings (
    guild_id BIGINT NOT NULL PRIMARY KEY,
    is_active BOOLEAN DEFAULT TRUE,
    is_paid BOOLEAN DEFAULT FALSE,
    subscription_level INT DEFAULT 0,
    total_result_value DECIMAL(15,2) DEFAULT 0.0,
    min_units DECIMAL(15,2) DEFAULT 0.1,
    max_units DECIMAL(15,2) DEFAULT 10.0,
    live_game_updates BOOLEAN DEFAULT FALSE,
    timezone VARCHAR(50) DEFAULT 'UTC',
    analytics_enabled BOOLEAN DEFAULT FALSE,
    ml_features_enabled BOOLEAN DEFAULT FALSE,
    webhook_limit INT DEFAULT 0,
    api_rate_limit INT DEFAULT 100,
    real_time_features BOOLEAN DEFAULT FALSE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

BOT_TABLES = {
    "api_games": API_GAMES,
    "games": GAMES,
    "bets": BETS,
    "users": USERS,
    "user_settings": USER_SETTINGS,
    "guild_settings": GUILD_SETTINGS,
}


def create_bot_tables(bot: Engine, *names: str) -> None:
    """The bot's tables, or those named, without rows."""
    with bot.begin() as connection:
        for name in names or BOT_TABLES:
            connection.execute(sa.text(BOT_TABLES[name]))


def loosen_json(bot: Engine) -> None:
    """Text columns in place of JSON, as in databases made by hand: they accept Python notation and damage."""
    change(bot, "ALTER TABLE api_games MODIFY score LONGTEXT NULL, MODIFY raw_json LONGTEXT NOT NULL")


def insert(bot: Engine, table: str, **columns: Any) -> None:
    """One row of any of the bot's tables; objects are written as JSON."""
    values = {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in columns.items()}
    with bot.begin() as connection:
        connection.execute(sa.insert(sa.table(table, *map(sa.column, values))).values(values))


def change(bot: Engine, statement: str, **parameters: Any) -> None:
    """One statement that the bot or its owner runs."""
    with bot.begin() as connection:
        connection.execute(sa.text(statement), parameters)


def wall(text: str) -> datetime:
    """A moment as the bot's columns hold it: without a zone."""
    return datetime.fromisoformat(text)


def soccer(game_id: str, **columns: Any) -> dict[str, Any]:
    """A row of the live fetcher for a game of the English Premier League: title case, long status, UTC."""
    return {
        **_row(game_id, "Football", "39", "EPL"),
        "home_team_name": "Arsenal",
        "away_team_name": "Chelsea",
        **columns,
    }


def hockey(game_id: str, **columns: Any) -> dict[str, Any]:
    """A row of the live fetcher for a game of the NHL."""
    return {
        **_row(game_id, "Hockey", "57", "NHL"),
        "home_team_name": "Boston Bruins",
        "away_team_name": "Florida Panthers",
        **columns,
    }


def football(game_id: str, **columns: Any) -> dict[str, Any]:
    """A row of the live fetcher for a game of the NFL."""
    return {
        **_row(game_id, "American-Football", "1", "NFL"),
        "home_team_name": "Kansas City Chiefs",
        "away_team_name": "Buffalo Bills",
        **columns,
    }


def _row(game_id: str, sport: str, league_id: str, league_name: str) -> dict[str, Any]:
    return {
        "api_game_id": game_id,
        "sport": sport,
        "league_id": league_id,
        "league_name": league_name,
        "start_time": wall("2024-04-30 19:00"),
        "end_time": None,
        "status": "Not Started",
        "score": {"home": None, "away": None},
        "season": None,
        "raw_json": {"id": game_id},
        "fetched_at": wall("2024-04-30 12:00"),
    }


def soccer_record(
    goals: tuple[int | None, int | None],
    *,
    fulltime: tuple[int | None, int | None] | None = None,
    extratime: tuple[int | None, int | None] = (None, None),
    penalty: tuple[int | None, int | None] = (None, None),
    date: str | None = None,
    stage: str = "Regular Season - 35",
) -> dict[str, Any]:
    """Upstream's record of a soccer game."""
    return {
        "fixture": {"id": 1, "date": date, "status": {"long": "Match Finished", "short": "FT", "elapsed": 90}},
        "league": {"id": 39, "season": 2023, "round": stage},
        "goals": _sides(goals),
        "score": {
            "halftime": _sides((None, None)),
            "fulltime": _sides(fulltime or goals),
            "extratime": _sides(extratime),
            "penalty": _sides(penalty),
        },
    }


def hockey_record(goals: tuple[int, int], *periods: str) -> dict[str, Any]:
    """Upstream's record of a hockey game: plain numbers, which the bot's fetcher takes for objects."""
    return {
        "scores": _sides(goals),
        "periods": dict(zip(("first", "second", "third", "overtime"), periods, strict=False)),
        "league": {"id": 57, "season": 2023},
    }


def totals_record(home: int, away: int) -> dict[str, Any]:
    """Upstream's record of a game of baseball, basketball or American football, as far as scores go."""
    return {"scores": {"home": {"total": home}, "away": {"total": away}}}


def odds_record(book: str, bet: str, **odds: str) -> dict[str, Any]:
    """Upstream's answer about the odds of one book."""
    values = [{"value": selection.title(), "odd": odd} for selection, odd in odds.items()]
    return {"response": [{"bookmakers": [{"name": book, "bets": [{"name": bet, "values": values}]}]}]}


def _sides(pair: tuple[int | None, int | None]) -> dict[str, int | None]:
    return {"home": pair[0], "away": pair[1]}


def bet(serial: int, user_id: int, **columns: Any) -> dict[str, Any]:
    """A straight bet on game 1 as the bot leaves it, with everything in it that must not leave the bot."""
    return {
        "bet_serial": serial,
        "guild_id": 7,
        "user_id": user_id,
        "status": "pending",
        "bet_type": "game_line",
        "player_prop": "secret words",
        "league": "EPL",
        "team": "secret words",
        "line": "secret words",
        "odds": -110,
        "units": 1.5,
        "result_value": None,
        "result_description": "secret words",
        "created_at": wall("2024-04-29 10:00"),
        "updated_at": wall("2024-04-30 22:00"),
        "bet_details": {"api_game_id": "1", "team_selected": "secret words"},
        **columns,
    }
