"""Whose request it is: the address of the client, as far as hops are believed."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.types import Scope

from core.errors import ConfigurationError

FORWARDED_FOR: Final = b"x-forwarded-for"
LOCAL: Final = "local"
"""Who comes through a Unix socket."""

IPV6_PREFIX: Final = 64
"""What one subscriber of IPv6 gets; single addresses in it are free to choose."""


class TrustedProxies:
    """Our own proxies. What anybody else says of where a request comes from is not believed."""

    def __init__(self, listed: Iterable[str]) -> None:
        """Raises ConfigurationError for something that is no address or network."""
        try:
            self._networks = [ip_network(entry, strict=False) for entry in listed]
        except ValueError as error:
            hint = "Expected addresses or networks such as 127.0.0.1, 10.0.0.0/8."
            raise ConfigurationError(f"TRUSTED_PROXIES: {error}.", hint=hint, variable="TRUSTED_PROXIES") from error

    def client(self, request: Scope) -> str:
        """The address of the nearest hop that is not ours: of IPv6 the network of a subscriber.

        Hops are read from the right, where each proxy appends whom it saw, so that what a client wrote there itself is
        only reached once it would have been told by a proxy of ours.
        """
        peer = request.get("client")
        nearest = _address(peer[0]) if peer else None
        if nearest is None:
            return LOCAL
        for hop in reversed(_forwarded(request)):
            if not self._is_ours(nearest):
                break
            told = _address(hop)
            if told is None:
                break
            nearest = told
        return _shown(nearest)

    def _is_ours(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _forwarded(request: Scope) -> list[str]:
    said = [value.decode("latin-1") for name, value in request["headers"] if name == FORWARDED_FOR]
    return [hop.strip() for hop in ",".join(said).split(",")] if said else []


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _shown(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_PREFIX), strict=False))
