"""A bundle as an MLflow model: ``mlflow.pyfunc.load_model("models:/EPL-results@champion")`` for data scientists.

The files are checked against the bundle's own manifest, and the manifest against our signature. Serving also knows the
registered SHA-256 and opens a version by ``bundles.store``. Registered models name this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from core.registry.bundles.contents import Bundle, read_bundle
from core.registry.bundles.files import MANIFEST, read_file
from core.registry.forecaster import FORECAST_COLUMNS
from core.settings import load_settings
from core.signing import Signer, signer

if TYPE_CHECKING:
    import pandas


_trusted: ContextVar[Signer | None] = ContextVar("signer of the bundles that MLflow loads", default=None)


@contextmanager
def trusting(bundle_signer: Signer) -> Iterator[None]:
    """Within the block, check what MLflow loads under this key: it loads each model once when it is registered."""
    before = _trusted.set(bundle_signer)
    try:
        yield
    finally:
        _trusted.reset(before)


class BundleModel:
    """A bundle with MLflow's interface: a frame of feature columns in, a frame of probabilities and means out."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._columns = [label.partition("@")[0] for label in bundle.manifest.features]

    def predict(self, frame: "pandas.DataFrame", params: object = None) -> "pandas.DataFrame":  # noqa: ARG002
        """The forecasts, one row per row of the frame, whose columns are found by name in any order."""
        import pandas

        forecasts = self._bundle.forecaster.predict(frame[self._columns].to_numpy(dtype="float64"))
        return pandas.DataFrame(
            [forecast.numbers for forecast in forecasts], columns=list(FORECAST_COLUMNS), index=frame.index
        )


def _load_pyfunc(path: str) -> BundleModel:
    folder = Path(path)
    identity = sha256(read_file(folder, MANIFEST)).hexdigest()
    # In a notebook nothing of this project ran before: this is the outermost entry point, which reads the settings.
    bundle_signer = _trusted.get() or signer(load_settings(), "bundle")
    return BundleModel(read_bundle(folder, identity, bundle_signer))
