"""Served predictions on this machine's disk that wait for a database."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.settings import Settings
from core.signing import signer
from flows.jobs.databases import our_database
from serving.backends.database_identity import ensure_identity
from serving.backends.spool import Spool
from serving.backends.spool_census import SpoolCensus
from serving.backends.spool_files import PURPOSE
from serving.backends.state_dir import state_dir
from serving.predictions.spool_adoption import SpoolAdoption

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class SpoolReport:
    """The spools that hold predictions, with how many, and the name of this database's own."""

    own: str | None
    depths: Mapping[str, int]


def list_spools(settings: Settings) -> SpoolReport:
    """Every spool below SERVING_DIR that is not empty."""
    with our_database(settings) as engine:
        return SpoolReport(ensure_identity(engine), SpoolCensus(settings.serving_dir).depths())


def adopt_spool(settings: Settings, name: str) -> int:
    """Move a spool into the one of DATABASE_URL's database, from where servers write it there; returns its lines.

    Raises ResourceNotFoundError with the spools that exist.
    """
    state, spool_signer = state_dir(settings), signer(settings, PURPOSE)
    with our_database(settings) as engine:
        spool = Spool(lambda: state.folder, spool_signer, settings.spool_megabytes * MEGABYTE)
        try:
            return SpoolAdoption(engine, state, spool, spool_signer).adopt(name)
        finally:
            spool.rotate()
