"""Where requests to users' URLs may go: a user must not make this machine talk to its own network.

A URL is checked when it is given and at each try, and the connection is made to the very address that was
checked: a name that leads to another address a moment later (DNS rebinding) changes nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from yarl import URL

from core.errors import OutlayError
from core.rules.public_addresses import is_public

MAX_HOST = 253
"""Of a name (RFC 1035, section 2.3.4, without the root)."""

MAX_URL = 2_000
"""Characters; more is taken by few servers."""

REFUSED_PORTS = frozenset({
    21, 22, 23, 25, 53, 69, 110, 111, 135, 139, 143, 161, 389, 445, 465, 514, 587, 636, 873, 993, 995, 1433,
    1521, 2049, 2375, 3306, 3389, 5432, 5900, 5984, 6379, 6667, 9200, 11211, 27017,
})  # fmt: skip
"""Of well-known services that speak no HTTP, or that nobody means to show to strangers: in some of them a
request's body passes for commands. A list of what is allowed would keep out the receivers that listen on a
port of their own, which are many."""


HOST = re.compile(r"[a-z0-9._~%:-]+")
"""Names in ASCII, and addresses; what else there may be in a URL nobody's host is called."""


class TargetRefused(OutlayError):
    """A URL that leads where nothing may be sent; says so without repeating it."""


class AddressRefused(TargetRefused, OSError):
    """A name that leads to an address of this machine's own networks. For libraries it is an `OSError`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`allows_private`: whether addresses that are not public may be reached, as for development."""

    allows_private: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked for, as aiohttp reads it; `host` in lower case, without brackets."""

    url: URL
    host: str


@lru_cache(maxsize=4_096)
def read_target(text: str, policy: Policy) -> Target:
    """The URL of a webhook. Its host's addresses are checked when it is connected to.

    Raises:
        TargetRefused
    """
    if len(text) > MAX_URL or not text.isprintable():
        raise TargetRefused(f"no URL of up to {MAX_URL} printable characters")
    try:
        url = URL(text)
        host, port = (url.raw_host or "").lower().rstrip("."), url.port
    except ValueError as error:
        raise TargetRefused("not a URL") from error
    if len(host) > MAX_HOST:
        raise TargetRefused(f"has a host of more than {MAX_HOST} characters")
    if url.scheme not in ("http", "https") or not HOST.fullmatch(host) or port is None:
        raise TargetRefused("needs http:// or https:// and a host")
    if url.user is not None or url.password is not None:
        raise TargetRefused("must not hold a user name or password")
    check_port(port)
    check_host(host, policy)
    return Target(url.with_fragment(None), host)


def check_port(port: int) -> None:
    """
    Raises:
        TargetRefused
    """
    if port in REFUSED_PORTS or not 0 < port < 65_536:
        raise TargetRefused(f"nothing is sent to port {port}")


def check_host(host: str, policy: Policy) -> None:
    """Refuse a host that is an address, in whatever spelling, if nothing may be sent there.

    Raises:
        TargetRefused
    """
    address = address_in(host)
    if address is not None and not policy.allows_private and not is_public(address):
        raise TargetRefused("leads to an address that is not public")


def address_in(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as; None for a name.

    IPv4 in all the spellings that `inet_aton` takes: `2130706433`, `0x7f.1` and `127.1` are 127.0.0.1.
    """
    text = host.strip("[]")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text))
    except (OSError, UnicodeError):
        return None


def checked_addresses(found: Iterable[Any], policy: Policy) -> list[Any]:
    """Those of `getaddrinfo`'s answers that may be connected to.

    Raises:
        AddressRefused: there are answers, and none of them may.
    """
    answers = list(found)
    allowed = [one for one in answers if policy.allows_private or is_public(_address_of(one))]
    if answers and not allowed:
        raise AddressRefused("leads to an address that is not public")
    return allowed


def check_name(host: str, port: int, policy: Policy) -> None:
    """Refuse a name that leads to private addresses by now. One that leads nowhere may do so later.

    Raises:
        TargetRefused
    """
    if policy.allows_private:
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    checked_addresses(found, policy)


def _address_of(answer: Any) -> IPv4Address | IPv6Address:
    address = ipaddress.ip_address(answer[4][0])
    # An address with an interface behind it (`fe80::1%2`) has it apart in the answer.
    if isinstance(address, IPv6Address) and len(answer[4]) > 3 and answer[4][3]:
        return IPv6Address(f"{answer[4][0].partition('%')[0]}%{answer[4][3]}")
    return address
