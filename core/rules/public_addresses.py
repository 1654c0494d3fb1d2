"""Which addresses belong to the public internet, so that a stranger's URL may lead there.

By the registries of special-purpose addresses (RFC 6890; iana.org/assignments/iana-ipv4-special-registry and
iana-ipv6-special-registry). Python's `is_global` is not the same in all its versions, so they are here.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their machines' credentials
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

GLOBAL_V6 = IPv6Network("2000::/3")
"""All that has been given out as global unicast; loopback, private, link-local, multicast are elsewhere."""

REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, among them Teredo, which leads to IPv4
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)

EMBEDDING = (
    # Network, and how many bits follow the IPv4 address.
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (IPv6Network("2002::/16"), 80),  # 6to4 (RFC 3056)
)
"""Addresses that stand for an IPv4 address: they are as public as that is."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody may be sent there."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_V4)
    if address.scope_id is not None:
        return False
    for network, bits_behind in EMBEDDING:
        if address in network:
            return is_public(IPv4Address(int(address) >> bits_behind & 0xFFFF_FFFF))
    return address in GLOBAL_V6 and not any(address in network for network in REFUSED_V6)
