"""Every table of every room, for comparison with a database and for backups."""

from core.database import METADATA
from core.registry import tables as _registry
from feature_store import tables as _feature_store
from serving.access import tables as _access
from serving.champions import tables as _champions
from serving.predictions import tables as _predictions

__all__ = ["METADATA", "OWNERS"]

OWNERS = (_registry, _feature_store, _access, _champions, _predictions)
