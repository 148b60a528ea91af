"""Every table of every room, for comparison with a database and for backups."""

from core.database.schema import METADATA
from core.registry import tables as _registry
from feature_store.archive import tables as _archive
from feature_store.identity import tables as _identity
from feature_store.rows import tables as _rows
from feature_store.sources.bot.people import tables as _bot
from serving.access import tables as _access
from serving.backends import tables as _backends
from serving.champions import tables as _champions
from serving.monitoring import tables as _monitoring
from serving.predictions import tables as _predictions

__all__ = ["METADATA", "OWNERS"]

OWNERS = (_registry, _archive, _identity, _rows, _bot, _access, _backends, _champions, _monitoring, _predictions)
