"""The address of a client behind trusted proxies."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.types import Scope

from core.errors import ConfigurationError

FORWARDED_FOR: Final = b"x-forwarded-for"
LOCAL: Final = "local"
"""The client of a request through a Unix socket."""

WITH_PORT: Final = re.compile(r"\[(?P<bracketed>[^\[\]]+)\](?::\d{1,5})?|(?P<plain>[^:\[\]]+):\d{1,5}", re.ASCII)

IPV6_PREFIX: Final = 64
"""The network that one IPv6 subscriber is assigned; single addresses within it can be chosen freely."""


class TrustedProxies:
    """The proxies whose X-Forwarded-For is trusted. That of any other sender is ignored."""

    def __init__(self, listed: Iterable[str]) -> None:
        """Raises ConfigurationError for an entry that is not an address or network."""
        try:
            self._networks = [ip_network(entry, strict=False) for entry in listed]
        except ValueError as error:
            hint = "Expected addresses or networks such as 127.0.0.1, 10.0.0.0/8."
            raise ConfigurationError(f"TRUSTED_PROXIES: {error}.", hint=hint, variable="TRUSTED_PROXIES") from error

    def client(self, request: Scope) -> str:
        """Return the address of the nearest hop that is not a trusted proxy; for IPv6 the subscriber's network.

        Hops are read from the right, where each proxy appends the address of its peer. An entry counts only if a
        trusted proxy appended it, so a client cannot choose its address by sending the header itself.
        """
        peer = request.get("client")
        nearest = _address(peer[0]) if peer else None
        if nearest is None:
            return LOCAL
        for hop in reversed(_forwarded(request)):
            if not self._is_trusted(nearest):
                break
            address = _address(hop)
            if address is None:
                break
            nearest = address
        return _name(nearest)

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _forwarded(request: Scope) -> list[str]:
    values = [value.decode("latin-1") for name, value in request["headers"] if name == FORWARDED_FOR]
    return [hop.strip() for hop in ",".join(values).split(",")] if values else []


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a hop; some proxies add its port, as in ``203.0.113.7:50614`` and ``[2001:db8::7]:50614``."""
    with_port = WITH_PORT.fullmatch(text)
    host = text if with_port is None else with_port["bracketed"] or with_port["plain"]
    try:
        address = ip_address(host.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _name(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_PREFIX), strict=False))
