"""A comment on every column, on MySQL and MariaDB"""

import re

from alembic import op

revision = "20261128_column_comments"
down_revision = "023"
branch_labels = None
depends_on = None

COMMENTS = {
    "api_keys": {
        "key_id": "Public part of the key, shown in logs",
        "secret_sha256": "SHA-256 of the secret part, which is stored nowhere",
        "owner": "Whom the key was issued to",
        "scopes": "What the key allows, separated by blanks",
        "created_at": "When the key was issued (UTC)",
        "expires_at": "From when on the key is refused (UTC); null if never",
        "revoked_at": "When the key was revoked (UTC); null if it was not",
        "guild_id": "The only guild the key may act for; null for any",
    },
    "archive_bets": {
        "bet_serial": "Serial number that the bot gave it",
        "known_at": "UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
        "user_id": "Discord user id of the bettor",
        "guild_id": "Discord guild id in which the bet was placed",
        "placed_at": "UTC moment at which the bet was placed; NULL if not readable",
        "settled_at": "UTC moment at which the settled row was last changed, the nearest thing to a settlement time",
        "bet_type": "game_line, player_prop, parlay or other",
        "league": "League key; NULL for a league that is not configured",
        "odds_american": "American odds at which the bet was placed; NULL if not readable",
        "units": "Stake in units",
        "status": "pending, live, won, lost, push or other, as the author or a moderator set it; not graded by us",
        "result_value": "Profit in units, net of the stake; NULL before settlement",
        "game_id": "Game that the bet is on; NULL for manual bets and parlays",
        "selection": "home, away, draw, over or under; NULL where it is not clear",
        "legs": "Of a parlay: JSON list of objects with league, game_id, selection and odds_american; else NULL",
    },
    "archive_changes": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "revision": "Number of the transaction within the league, from 1 up without gaps",
        "game_id": "Game of which the transaction wrote something new",
        "known_from": "UTC known_at of the earliest of the new facts of the game",
        "known_until": "UTC known_at of the latest of the new facts of the game",
    },
    "archive_consents": {
        "user_id": "Discord user id",
        "known_at": "UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
        "analytics_consent": "1 if the user allows that bets are kept and analysed; 0 deletes them",
        "ml_recommendations_enabled": "1 if the user wants recommendations",
    },
    "archive_games": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "game_id": "Id of the game as its source gives it; unique only within the league",
        "known_at": "UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
        "season": "Year in which the season began",
        "start_at": "UTC start; 16:00 UTC of the day where only a date is given",
        "date_only": "1 if the source gave a date without a time, so that start_at is a stand-in",
        "home_team": "Home side, under the name that aliases gave it",
        "away_team": "Away side, under the name that aliases gave it",
        "neutral": "1 on a neutral venue: no home advantage counts",
        "playoff": "1 in a play-off",
        "status": "scheduled, live, final, void (called off or awarded) or unknown, as of known_at",
        "source": "Where the row comes from: bot, csv and the file name, a site, or a person",
        "recorded_at": "UTC moment at which the row was written: for audits and to read training data again",
    },
    "archive_guilds": {
        "guild_id": "Discord guild id",
        "known_at": "UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
        "ml_features_enabled": "1 if the guild has switched forecasts on",
        "analytics_enabled": "1 if the guild has switched analytics on",
        "api_rate_limit": "API requests per minute that the guild allows itself; NULL if it sets none",
        "subscription_level": "Subscription level in the words of the bot; NULL if none",
    },
    "archive_quarantine": {
        "entry_id": "SHA-256 of the other columns: the same fault is kept once",
        "source": "Source of the rejected item",
        "place": "Where it stood: file and line, or table and id",
        "fact": "row, game, result or quote: the fact that was not recorded",
        "reason": "Why it was rejected, in words",
        "content": "The item as the source gave it",
        "recorded_at": "UTC moment at which it was first rejected",
    },
    "archive_quotes": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "game_id": "Id of the game as its source gives it; unique only within the league",
        "book": "Bookmaker, or a market average such as market_average",
        "moment": "open, last or close: which of its prices this is",
        "known_at": "UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
        "quoted_at": "UTC moment at which the book showed the price. After the start it counts for no feature",
        "odds_home": "Decimal odds of a home win, overround included; NULL if not shown",
        "odds_draw": "Decimal odds of a draw; NULL if not shown and in leagues of two outcomes",
        "odds_away": "Decimal odds of an away win, overround included; NULL if not shown",
        "spread_line": "Expected HOME score margin in points, positive if home is favoured: minus the "
        "spread of bookmakers",
        "total_line": "Total line: expected sum of both scores in points",
        "odds_over": "Decimal odds of more points than total_line; NULL if not shown",
        "odds_under": "Decimal odds of fewer points than total_line; NULL if not shown",
        "source": "Where the row comes from: bot, csv and the file name, a site, or a person",
        "recorded_at": "UTC moment at which the row was written: for audits and to read training data again",
    },
    "archive_results": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "game_id": "Id of the game as its source gives it; unique only within the league",
        "known_at": "UTC moment from which the fact was known. Every point-in-time cut-off compares with it",
        "finished_at": "UTC end of the game, estimated from the usual length where the source gives "
        "none; orders the fold",
        "home_score": "Final home score, overtime included; NULL takes an earlier result back",
        "away_score": "Final away score, overtime included; NULL takes an earlier result back",
        "home_score_regulation": "Home score at the end of regulation time; NULL if not given",
        "away_score_regulation": "Away score at the end of regulation time; NULL if not given",
        "home_shots": "Shots by the home side; NULL if not counted",
        "away_shots": "Shots by the away side; NULL if not counted",
        "home_shots_on_target": "Shots on target by the home side; NULL if not counted",
        "away_shots_on_target": "Shots on target by the away side; NULL if not counted",
        "source": "Where the row comes from: bot, csv and the file name, a site, or a person",
        "recorded_at": "UTC moment at which the row was written: for audits and to read training data again",
    },
    "feature_rows": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "game_id": "Id of the game as its source gives it; unique only within the league",
        "as_of": "UTC moment of the build that last changed the row",
        "catalogue": "Fingerprint of all features when it was built",
        "season": "Year in which the season began",
        "start_at": "UTC start; 16:00 UTC of the day where only a date is given",
        "date_only": "1 if start_at is a stand-in for a bare date",
        "home_team": "Home side",
        "away_team": "Away side",
        "neutral": "1 on a neutral venue",
        "playoff": "1 in a play-off",
        "status": "scheduled or unknown: the game has not begun",
        "features": "JSON list of all feature values in catalogue order; null: missing",
        "prices": "JSON list: P(home), P(draw), P(away), spread, total, P(over), overround; null if nothing was quoted",
        "digest": "SHA-256 of the content; it changes when the forecast must",
    },
    "feature_rungs": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "horizon": "UTC moment: the state holds every game that ended by it",
        "settled_at": "UTC moment at which those games last changed; as of an earlier moment the state "
        "must not be used",
        "version": "SHA-256 of the code version and rules that made the state",
        "body": "JSON: the record of the league and one per team",
    },
    "feature_states": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "as_of": "UTC moment of the last build",
        "version": "Fingerprint of all features when it was built",
        "games": "Number of games played into the state",
        "revision": "Last revision of archive_changes that the checkpoints include",
        "body": "JSON: the record of the league and one per team",
    },
    "game_links": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "game_id": "Id of the game as its source gives it; unique only within the league",
        "recorded_at": "UTC moment of the decision; the latest one counts",
        "same_as": "Id of the game whose facts these are, too; NULL takes the link back",
        "source": "Who decided",
    },
    "model_deployments": {
        "model": "Registered model; one record each",
        "generation": "Number of changes; every change requires the last one",
        "champion": "Version that serves; null before the first promotion",
        "challenger": "Version that waits for promotion; null if there is none",
        "previous": "Champion before, for one rollback; null if there is none",
        "changed_at": "When the record changed last (UTC)",
    },
    "model_held_out": {
        "model": "Registered model",
        "version": "Version of the model",
        "body": "JSON: its log loss on each game it had not seen, for promotion",
    },
    "model_versions": {
        "model": "Registered model, such as EPL-results",
        "version": "Version of the model, as in MLflow",
        "sport": "Sport of the league",
        "league": "Key of the league it forecasts",
        "variant": "results or prices: whether it uses the prices of the game",
        "recipe": "Name and digest of the recipe",
        "bundle_sha256": "SHA-256 of the bundle with its files",
        "features": "Fingerprint of the feature set",
        "snapshot_sha256": "SHA-256 of the training data's manifest",
        "trained_until": "Latest moment of the training data (UTC)",
        "registered_at": "When the version was registered (UTC)",
        "run_id": "MLflow run that trained it",
        "scores": "JSON: scores of model and baselines on games it had not seen",
    },
    "prediction_answers": {
        "answer_id": "Hash of the body and the moment of its data; the same in every process",
        "sport": "Sport of the game, part of its natural key",
        "league": "League of the game, part of its natural key",
        "game_id": "Id of the game, unique within its league",
        "model": "Registered model that made the forecast",
        "version": "Version of the model",
        "features": "Fingerprint of the feature set",
        "as_of": "Data cut-off of the forecast (UTC)",
        "p_home": "Probability of a home win",
        "p_draw": "Probability of a draw; null in leagues without draws",
        "p_away": "Probability of an away win",
        "margin": "Expected home score minus away score",
        "total": "Expected sum of both scores",
    },
    "prediction_log": {
        "id": "Order of writing",
        "served_id": "Id of this serving, so that writing it twice changes nothing",
        "answer_id": "The answer that was served",
        "request_id": "Id of the HTTP request",
        "served_at": "When it was served (UTC)",
        "cache": "Where the body came from: local, redis, computed, bypass or stale",
        "key_id": "API key of the caller; null where none was required",
        "shadow": "Whether a challenger forecast this beside the answer, without being served",
    },
    "serving_workers": {
        "worker": "Host, process id and a random part",
        "beat": "Counter that the worker raises every second; one that stands still is dead",
        "models": "Version and generation of each loaded model, as JSON",
    },
    "snapshot_manifests": {
        "sha256": "SHA-256 of all facts of the training set, in hex",
        "sport": "Sport of the training set",
        "league": "League of the training set",
        "known_by": "UTC cut-off: facts known later were not in the training set",
        "body": "JSON: count and SHA-256 of each kind of facts, season by season",
        "recorded_at": "UTC moment of the training run: facts written to the archive later were not "
        "in the training set",
    },
    "team_aliases": {
        "sport": "Sport, in lower case: soccer, ice_hockey",
        "league": "Key of the league within the sport: EPL, NHL",
        "alias": "Spelling that some source uses; compared to the letter",
        "team": "Club it stands for, as archived facts name it",
        "source": "Where the row comes from: bot, csv and the file name, a site, or a person",
        "recorded_at": "UTC moment at which the row was written: for audits and to read training data again",
    },
}

COLUMN = re.compile(r"^  `([^`]+)` (.+?)(?: COMMENT '(?:[^']|'')*')?,?$", re.MULTILINE)
"""A column in the output of SHOW CREATE TABLE: its name and its definition without the comment."""


def upgrade() -> None:
    limit_lock_wait()
    comment_columns(COMMENTS)


def downgrade() -> None:
    limit_lock_wait()
    comment_columns({table: dict.fromkeys(columns, "") for table, columns in COMMENTS.items()})


def comment_columns(comments: dict[str, dict[str, str]]) -> None:
    """Repeat each column's definition, as the server shows it, with the comment: nothing else of the column changes.

    SQLite has no comments. A run that failed half-way can be repeated.
    """
    connection = op.get_bind()
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    for table, texts in comments.items():
        show = f"SHOW CREATE TABLE `{table}`"
        shown = connection.exec_driver_sql(show).one()[1]
        definitions = dict(COLUMN.findall(shown))
        changes = [f"MODIFY COLUMN `{name}` {definitions[name]} COMMENT '{quoted(texts[name])}'" for name in texts]
        statement = f"ALTER TABLE `{table}` {', '.join(changes)}"
        connection.exec_driver_sql(statement.replace("%", "%%"))


def quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")
