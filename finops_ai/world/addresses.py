"""Which addresses a URL that came from data may reach: public ones only, judged after the name was resolved."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from finops_ai.domain.errors import Rejected, Unavailable

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port to IP addresses, as text."""

_REFUSED = tuple(map(ip_network, ("168.63.129.16/32", "192.0.0.0/24", "64:ff9b:1::/48")))
"""Not public, though some Python versions say so: Azure's host agent, Oracle's metadata, local NAT64."""

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")


def system_resolve(host: str, port: int) -> list[str]:
    """The machine's resolver, which also reads decimal, octal and hexadecimal spellings of IPv4."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_addresses(host: str, port: int, resolve: Resolve = system_resolve) -> list[str]:
    """Addresses of `host`, every one of them public; connect to these, never to the name again.

    Raises Rejected when any of them is not public, Unavailable when the name does not resolve.
    """
    try:
        addresses = list(resolve(host, port))
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"cannot resolve {host}: {error}") from None
    if not addresses:
        raise Unavailable(f"cannot resolve {host}: no address")
    for address in addresses:
        if not is_public(address):
            raise Rejected(f"{host} is {address}, which is not a public address: a URL from data may not reach it")
    return addresses


def is_public(address: str) -> bool:
    """False for private, loopback, link-local, metadata, shared, multicast and reserved addresses in any wrapping."""
    ip = ip_address(address.partition("%")[0])
    return all(
        part.is_global and not part.is_multicast and not any(part in network for network in _REFUSED)
        for part in (ip, *_embedded(ip))
    )


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that an IPv6 address stands for or tunnels to."""
    if isinstance(ip, IPv4Address):
        return []
    found = [part for part in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if part is not None]
    if ip in _NAT64 or ip in _COMPATIBLE:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return found
