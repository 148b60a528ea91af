"""The archive's tables. They are append-only: a correction is a further row with a later ``known_at``."""

from typing import Any, Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, LongText, UtcDateTime


def league_key() -> tuple[sa.Column[Any], ...]:
    """Natural key of a league."""
    return (
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport, in lower case: soccer, ice_hockey"),
        sa.Column("league", sa.String(32), primary_key=True, comment="Key of the league within the sport: EPL, NHL"),
    )


def game_key() -> tuple[sa.Column[Any], ...]:
    """Natural key of a game; ids are unique only within a league of a sport."""
    return (
        *league_key(),
        sa.Column(
            "game_id",
            sa.String(120),
            primary_key=True,
            comment="Id of the game as its source gives it; unique only within the league",
        ),
    )


def origin() -> tuple[sa.Column[Any], ...]:
    """Which source a row comes from, and when it was written (for audits only: no feature reads it)."""
    return (
        sa.Column(
            "source",
            sa.String(80),
            nullable=False,
            comment="Where the row comes from: bot, csv and the file name, a site, or a person",
        ),
        sa.Column(
            "recorded_at",
            UtcDateTime,
            nullable=False,
            comment="UTC moment at which the row was written: for audits and to read training data again",
        ),
    )


def judged_by() -> tuple[sa.Column[Any], ...]:
    """Of a decision: the rule that made it, and how surely."""
    return (
        sa.Column(
            "score", sa.Double, comment="Of a decision by rule: how surely, from 0 to 1; NULL where a person decided"
        ),
        sa.Column(
            "rule", sa.String(32), comment="Of a decision by rule: its name and version; NULL where a person decided"
        ),
    )


def known_at() -> sa.Column[Any]:
    """The second clock of a fact, part of its key."""
    return sa.Column(
        "known_at",
        UtcDateTime,
        primary_key=True,
        comment="UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
    )


games: Final = sa.Table(
    "archive_games",
    METADATA,
    *game_key(),
    known_at(),
    sa.Column("season", sa.Integer, nullable=False, comment="Year in which the season began"),
    sa.Column(
        "start_at", UtcDateTime, nullable=False, comment="UTC start; 16:00 UTC of the day where only a date is given"
    ),
    sa.Column(
        "date_only",
        sa.Boolean,
        nullable=False,
        comment="1 if the source gave a date without a time, so that start_at is a stand-in",
    ),
    sa.Column("home_team", sa.String(150), nullable=False, comment="Home side, under the name that aliases gave it"),
    sa.Column("away_team", sa.String(150), nullable=False, comment="Away side, under the name that aliases gave it"),
    sa.Column("neutral", sa.Boolean, nullable=False, comment="1 on a neutral venue: no home advantage counts"),
    sa.Column("playoff", sa.Boolean, nullable=False, comment="1 in a play-off"),
    sa.Column(
        "status",
        sa.String(16),
        nullable=False,
        comment="scheduled, live, final, void (called off or awarded) or unknown, as of known_at",
    ),
    *origin(),
    sa.Index(None, "sport", "league", "start_at"),
    sa.Index(None, "sport", "league", "source", "recorded_at"),
    **TABLE_OPTIONS,
)
"""Who meets whom, when and where: a row for each version of a game."""

results: Final = sa.Table(
    "archive_results",
    METADATA,
    *game_key(),
    known_at(),
    sa.Column(
        "finished_at",
        UtcDateTime,
        nullable=False,
        comment="UTC end of the game, estimated from the usual length where the source gives none; orders the fold",
    ),
    sa.Column(
        "home_score", sa.Integer, comment="Final home score, overtime included; NULL takes an earlier result back"
    ),
    sa.Column(
        "away_score", sa.Integer, comment="Final away score, overtime included; NULL takes an earlier result back"
    ),
    sa.Column(
        "home_score_regulation", sa.Integer, comment="Home score at the end of regulation time; NULL if not given"
    ),
    sa.Column(
        "away_score_regulation", sa.Integer, comment="Away score at the end of regulation time; NULL if not given"
    ),
    sa.Column("home_shots", sa.Integer, comment="Shots by the home side; NULL if not counted"),
    sa.Column("away_shots", sa.Integer, comment="Shots by the away side; NULL if not counted"),
    sa.Column("home_shots_on_target", sa.Integer, comment="Shots on target by the home side; NULL if not counted"),
    sa.Column("away_shots_on_target", sa.Integer, comment="Shots on target by the away side; NULL if not counted"),
    *origin(),
    sa.Index(None, "sport", "league", "source", "recorded_at"),
    sa.Index("ix_archive_results_finished", "sport", "league", "finished_at"),
    **TABLE_OPTIONS,
)
"""Final scores: a row for each version of a result."""

quotes: Final = sa.Table(
    "archive_quotes",
    METADATA,
    *game_key(),
    sa.Column("book", sa.String(64), primary_key=True, comment="Bookmaker, or a market average such as market_average"),
    sa.Column("moment", sa.String(8), primary_key=True, comment="open, last or close: which of its prices this is"),
    known_at(),
    sa.Column(
        "quoted_at",
        UtcDateTime,
        nullable=False,
        comment="UTC moment at which the book showed the price. After the start it counts for no feature",
    ),
    sa.Column("odds_home", sa.Double, comment="Decimal odds of a home win, overround included; NULL if not shown"),
    sa.Column(
        "odds_draw", sa.Double, comment="Decimal odds of a draw; NULL if not shown and in leagues of two outcomes"
    ),
    sa.Column("odds_away", sa.Double, comment="Decimal odds of an away win, overround included; NULL if not shown"),
    sa.Column(
        "spread_line",
        sa.Double,
        comment="Expected HOME score margin in points, positive if home is favoured: minus the spread of bookmakers",
    ),
    sa.Column("total_line", sa.Double, comment="Total line: expected sum of both scores in points"),
    sa.Column("odds_over", sa.Double, comment="Decimal odds of more points than total_line; NULL if not shown"),
    sa.Column("odds_under", sa.Double, comment="Decimal odds of fewer points than total_line; NULL if not shown"),
    sa.Column(
        "odds_home_spread", sa.Double, comment="Decimal odds of a home margin above spread_line; NULL if not shown"
    ),
    sa.Column(
        "odds_away_spread", sa.Double, comment="Decimal odds of a home margin below spread_line; NULL if not shown"
    ),
    sa.Column("odds_both_score", sa.Double, comment="Decimal odds that both teams score; NULL if not shown"),
    sa.Column("odds_not_both_score", sa.Double, comment="Decimal odds that not both teams score; NULL if not shown"),
    *origin(),
    sa.Index(None, "sport", "league", "source", "recorded_at"),
    **TABLE_OPTIONS,
)
"""Prices by game and bookmaker: a row for each version of a quote."""

quote_sightings: Final = sa.Table(
    "quote_sightings",
    METADATA,
    *game_key(),
    sa.Column("book", sa.String(64), primary_key=True, comment="Bookmaker whose prices a live source showed"),
    sa.Column("seen_at", UtcDateTime, nullable=False, comment="UTC moment of the last look that showed them"),
    sa.Column(
        "quoted_at",
        UtcDateTime,
        nullable=False,
        comment="UTC moment of the prices by the clock of the source in that look: their age counts from it",
    ),
    sa.Column("source", sa.String(80), nullable=False, comment="Source of that look"),
    **TABLE_OPTIONS,
)
"""When each book's prices were last shown: a price that does not change writes no new quote, and yet is fresh."""

changes: Final = sa.Table(
    "archive_changes",
    METADATA,
    *league_key(),
    sa.Column(
        "revision",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Number of the transaction within the league, from 1 up without gaps",
    ),
    sa.Column("game_id", sa.String(120), primary_key=True, comment="Game of which the transaction wrote something new"),
    sa.Column(
        "known_from", UtcDateTime, nullable=False, comment="UTC known_at of the earliest of the new facts of the game"
    ),
    sa.Column(
        "known_until", UtcDateTime, nullable=False, comment="UTC known_at of the latest of the new facts of the game"
    ),
    **TABLE_OPTIONS,
)
"""Change log: the games of which each transaction wrote something new. Builds read what changed from it."""

quarantine: Final = sa.Table(
    "archive_quarantine",
    METADATA,
    sa.Column(
        "entry_id", sa.String(64), primary_key=True, comment="SHA-256 of the other columns: the same fault is kept once"
    ),
    sa.Column("source", sa.String(80), nullable=False, comment="Source of the rejected item"),
    sa.Column("place", sa.String(255), nullable=False, comment="Where it stood: file and line, or table and id"),
    sa.Column(
        "fact", sa.String(16), nullable=False, comment="row, game, result or quote: the fact that was not recorded"
    ),
    sa.Column("reason", sa.String(500), nullable=False, comment="Why it was rejected, in words"),
    sa.Column("content", LongText, nullable=False, comment="The item as the source gave it"),
    sa.Column("recorded_at", UtcDateTime, nullable=False, comment="UTC moment at which it was first rejected"),
    sa.Index(None, "source"),
    **TABLE_OPTIONS,
)
"""Items that could not be recorded as facts, with the reason."""

game_links: Final = sa.Table(
    "game_links",
    METADATA,
    *game_key(),
    sa.Column(
        "recorded_at", UtcDateTime, primary_key=True, comment="UTC moment of the decision; the latest one counts"
    ),
    sa.Column("same_as", sa.String(120), comment="Id of the game whose facts these are, too; NULL takes the link back"),
    sa.Column("source", sa.String(80), nullable=False, comment="Who decided"),
    sa.Column(
        "not_same_as", sa.String(120), comment="Id of a game that this id is not, by decision; NULL in other rows"
    ),
    *judged_by(),
    **TABLE_OPTIONS,
)
"""Decisions that the facts of one game id belong to another game id, or that two ids are two games."""

source_terms: Final = sa.Table(
    "source_terms",
    METADATA,
    sa.Column("source", sa.String(80), primary_key=True, comment="Source of facts, as the archive's tables name it"),
    sa.Column(
        "display", sa.Boolean, nullable=False, comment="1 if its prices may be shown to users; else only in forecasts"
    ),
    sa.Column(
        "republish", sa.Boolean, nullable=False, comment="1 if its facts may be given to third parties, as in an export"
    ),
    sa.Column(
        "recorded_at", UtcDateTime, nullable=False, comment="UTC moment at which the terms were last set otherwise"
    ),
    **TABLE_OPTIONS,
)
"""What each source's terms allow with its facts; a source without a row allows everything."""

data_manifests: Final = sa.Table(
    "snapshot_manifests",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True, comment="SHA-256 of all facts of the training set, in hex"),
    sa.Column("sport", sa.String(32), nullable=False, comment="Sport of the training set"),
    sa.Column("league", sa.String(32), nullable=False, comment="League of the training set"),
    sa.Column(
        "known_by", UtcDateTime, nullable=False, comment="UTC cut-off: facts known later were not in the training set"
    ),
    sa.Column(
        "body", LongText, nullable=False, comment="JSON: count and SHA-256 of each kind of facts, season by season"
    ),
    sa.Column(
        "recorded_at",
        UtcDateTime,
        nullable=False,
        comment="UTC moment of the training run: facts written to the archive later were not in the training set",
    ),
    sa.Index(None, "recorded_at"),
    **TABLE_OPTIONS,
)
"""Data manifests: what each training run was made of, so that its facts can be read again."""
