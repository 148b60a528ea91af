"""A comment on every column, on MySQL and MariaDB"""

import re

from alembic import op

revision = "20261128_column_comments"
down_revision = "023"
branch_labels = None
depends_on = None

COMMENTS = {}

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
