"""Alembic's entry point: runs the revisions on the connection of ``migrations.schema``."""

from alembic import context

from migrations.step_journal import VERSION_TABLE
from migrations.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    compare_type=True,
    transaction_per_migration=True,
    render_as_batch=connection.dialect.name == "sqlite",
    on_version_apply=context.config.attributes["when_applied"],
)
with context.begin_transaction():
    context.run_migrations()
