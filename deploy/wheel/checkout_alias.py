"""In a checkout, ``dbsbm_predictions.core`` and the other rooms are the packages ``core`` and so on themselves.

The build hook installs this as the package ``dbsbm_predictions`` where a checkout is installed as editable. The names
that an installed wheel has, such as ``dbsbm_predictions.serving.client``, lead here to the same modules, not to copies.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

ROOMS = frozenset({"core", "feature_store", "training", "serving", "flows", "migrations"})


class CheckoutAlias(MetaPathFinder, Loader):
    """Finds ``dbsbm_predictions.NAME`` as the module NAME."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find the module below this package's name; None for what a wheel does not have."""
        package, _, name = fullname.partition(".")
        is_ours = package == __name__ and name.partition(".")[0] in ROOMS
        original = find_spec(name) if is_ours else None
        if original is None:
            return None
        is_package = original.submodule_search_locations is not None
        return ModuleSpec(fullname, self, origin=original.origin, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Let the import return the original module in place of the one just made."""
        sys.modules[module.__name__] = import_module(_original_name(module.__name__))

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the original module, for ``python -m``."""
        original = find_spec(_original_name(fullname))
        if original is None or not isinstance(original.loader, InspectLoader):
            raise ImportError(f"{fullname} has no code.", name=fullname)
        return original.loader.get_code(original.name)


def _original_name(fullname: str) -> str:
    return fullname.partition(".")[2]


__path__: list[str] = []
sys.meta_path.insert(0, CheckoutAlias())  # before the finder that would look into the rooms' folders and copy modules
