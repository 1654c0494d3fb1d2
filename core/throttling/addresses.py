"""Where somebody comes from, as far as it can be known, and what counts as one place."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

IPV6_SITE_BITS = 64
"""The least that a customer gets of IPv6 (RFC 6177); each of its addresses costs them nothing."""

UNKNOWN = "unknown"
"""All that is no address, as a proxy wrote it down: one place for everybody, so that none can be made up."""

MAX_LENGTH = 64
"""Of an address with its zone; 45 characters of it are the address (INET6_ADDRSTRLEN)."""

MAX_REMEMBERED = 4_096
"""Texts whose address is remembered, below 1 MB: to read one takes longer than all else that limits do."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def place_of(address: str | None) -> str:
    """What is counted as one: an IPv4 address, the /64 of an IPv6 address."""
    found = parsed(address)
    if found is None:
        return UNKNOWN
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((int(found) >> IPV6_SITE_BITS << IPV6_SITE_BITS, IPV6_SITE_BITS)))


def parsed(address: str | None) -> Address | None:
    """The address; IPv4 that is written as IPv6 is IPv4."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def address_text(address: str | None) -> str | None:
    """The address as it may be stored, logged and shown; None for what else a proxy may have passed on."""
    return None if address is None or len(address) > MAX_LENGTH else _text_of(address)


@lru_cache(MAX_REMEMBERED)
def _text_of(address: str) -> str | None:
    found = parsed(address)
    return None if found is None else str(found)


def client_of(peer: str | None, forwarded_for: Iterable[str], trusted: Iterable[Network]) -> str | None:
    """The last address that no proxy of ours has: what stands before it anybody can have written.

    Args:
        peer: whom we are connected with.
        forwarded_for: the values of `X-Forwarded-For`, in order.
        trusted: the proxies.
    """
    networks = tuple(trusted)
    chain = [entry.strip() for value in forwarded_for for entry in value.split(",")]
    client = peer
    while chain and is_within(client, networks):
        client = _without_port(chain.pop())
    return client


def is_within(address: str | None, networks: tuple[Network, ...]) -> bool:
    """Whether it is an address of one of the networks."""
    found = parsed(address)
    return found is not None and any(found in network for network in networks)


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    host, colon, _port = entry.partition(":")
    return host if colon and entry.count(":") == 1 else entry
