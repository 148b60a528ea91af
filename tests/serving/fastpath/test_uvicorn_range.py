"""The range of uvicorn that is pinned has the private parts that the connection protocols rely on."""

import inspect
import re
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.fastpath.protocol import FastPathProtocol
from serving.http.connection_timeouts import TimeoutProtocol

CALLBACKS = (
    *("connection_made", "connection_lost", "data_received", "shutdown"),
    *("on_message_begin", "on_headers_complete", "on_message_complete", "on_response_complete"),
    *("send_400_response", "_unset_keepalive_if_required"),
)
ATTRIBUTES = (
    *("app", "app_state", "cycle", "flow", "headers", "loop", "parser", "scope", "server_state", "transport", "url"),
)


def test_the_installed_uvicorn_is_in_the_pinned_range_and_the_range_has_an_end() -> None:
    pinned = next(item for item in map(Requirement, requires("dbsbm-predictions") or ()) if item.name == "uvicorn")
    assert pinned.specifier.contains(version("uvicorn"))
    assert any(part.operator == "<" for part in pinned.specifier)


def test_every_method_that_is_overridden_or_called_exists() -> None:
    for name in CALLBACKS:
        assert callable(getattr(HttpToolsProtocol, name)), name


def test_every_attribute_that_is_read_is_set_by_uvicorn() -> None:
    source = inspect.getsource(HttpToolsProtocol)
    for name in ATTRIBUTES:
        assert re.search(rf"self\.{name}\b", source), name


def test_no_other_private_part_is_used() -> None:
    """A further use of uvicorn's attributes must be added to the lists above."""
    source = inspect.getsource(FastPathProtocol) + inspect.getsource(TimeoutProtocol)
    used = set(re.findall(r"self\.([a-z_]+)", source))
    inherited = {name for name in used if hasattr(HttpToolsProtocol, name) or name in ATTRIBUTES}
    own = {*vars(FastPathProtocol), *vars(TimeoutProtocol)} - {*CALLBACKS}
    assert inherited - own <= {*CALLBACKS, *ATTRIBUTES}
