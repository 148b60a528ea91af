"""${message}"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    limit_lock_wait()
    ${upgrades if upgrades else ""}


def downgrade() -> None:
    limit_lock_wait()
    ${downgrades if downgrades else ""}


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")
