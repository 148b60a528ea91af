"""A key may belong to one guild; the scope `read` of before is part of `predict`"""

import sqlalchemy as sa
from alembic import op

revision = "019"
down_revision = "018"
branch_labels = None
depends_on = None

KEYS = sa.table("api_keys", sa.column("key_id", sa.String), sa.column("scopes", sa.String))


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("guild_id", sa.BigInteger(), nullable=True))
    _rename({"read": "predict"})


def downgrade() -> None:
    # Reading was a scope of its own then; whoever may predict could be given both.
    _rename({"predict": "predict read", "insights": "", "train": ""})
    op.drop_column("api_keys", "guild_id")


def _rename(scopes: dict[str, str]) -> None:
    connection = op.get_bind()
    for key_id, text in connection.execute(sa.select(KEYS.c.key_id, KEYS.c.scopes)).all():
        renamed = " ".join(sorted({word for scope in text.split() for word in scopes.get(scope, scope).split()}))
        connection.execute(sa.update(KEYS).where(KEYS.c.key_id == key_id).values(scopes=renamed))
