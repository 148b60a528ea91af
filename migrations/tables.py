"""Every table of every room, gathered for comparison with a real database."""

from core.database import METADATA
from core.registry import tables as _registry
from feature_store import tables as _feature_store
from serving import tables as _serving

__all__ = ["METADATA", "OWNERS"]

OWNERS = (_registry, _feature_store, _serving)
