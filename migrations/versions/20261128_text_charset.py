"""Text columns of one charset and collation, also in tables that were copied or converted by hand"""

import re

from alembic import op

revision = "20261128_text_charset"
down_revision = "20261128_database_identity"
branch_labels = None
depends_on = None

TABLES = (
    "api_keys",
    "archive_bets",
    "archive_changes",
    "archive_consents",
    "archive_games",
    "archive_guilds",
    "archive_quarantine",
    "archive_quotes",
    "archive_results",
    "database_identity",
    "feature_rows",
    "feature_rungs",
    "feature_states",
    "game_links",
    "model_deployments",
    "model_held_out",
    "model_versions",
    "prediction_answers",
    "prediction_log",
    "schema_version",
    "serving_workers",
    "snapshot_manifests",
    "team_aliases",
)
OURS = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
COLUMN = re.compile(
    r"^  `([^`]+)` ((?:var)?char\(\d+\)|(?:tiny|medium|long)?text)"
    r"(?: CHARACTER SET \w+)?(?: COLLATE \w+)?(.*?),?$",
    re.MULTILINE,
)
"""A text column in the output of SHOW CREATE TABLE: its name, its type, and what follows charset and collation."""


def upgrade() -> None:
    limit_lock_wait()
    convert_text()


def downgrade() -> None:
    limit_lock_wait()
    # Nothing to undo: revisions before this one want the same charset, and a smaller one would lose letters.


def convert_text() -> None:
    """Give each text column the charset, its type and the rest unchanged; where it has it, the statement does nothing.

    utf8mb4 holds every letter of every other charset, and its binary collation tells apart whatever another one does,
    so no row is lost and no key becomes ambiguous. The server itself keeps the columns of a foreign key as they are.
    """
    connection = op.get_bind()
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    for table in TABLES:
        show = f"SHOW CREATE TABLE `{table}`"
        shown = connection.exec_driver_sql(show).one()[1]
        changes = [f"MODIFY COLUMN `{name}` {kind} {OURS}{rest}" for name, kind, rest in COLUMN.findall(shown)]
        statement = f"ALTER TABLE `{table}` {', '.join([f'DEFAULT {OURS}', *changes])}"
        connection.exec_driver_sql(statement.replace("%", "%%"))


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")
