"""Those who have not said yet who they are: so many at a time, and so many from one place."""

from collections import Counter
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from websockets.datastructures import Headers

from core.throttling.addresses import client_of, is_within, place_of

MAX_STRANGERS = 5_000
"""Each is gone within ten seconds: five for the handshake, five for the first message. When all clients come
back after a restart, half of ten thousand may be on their way in."""

MAX_STRANGERS_OF_PLACE = 100
"""A hundred people behind one address, all of them opening a socket in the same moment."""


class Stranger(Protocol):
    """What is known of a socket at first."""

    @property
    def remote_address(self) -> object: ...

    def cut(self) -> None: ...


class Lobby:
    def __init__(self, proxies: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._proxies = proxies
        self._places: dict[Stranger, str | None] = {}
        self._of_place: Counter[str] = Counter()

    def enter(self, socket: Stranger) -> None:
        """Somebody has connected. When it gets too many, the one who has waited for the longest goes."""
        self._places[socket] = None
        if len(self._places) > MAX_STRANGERS:
            oldest = next(iter(self._places))
            self.leave(oldest)
            oldest.cut()

    def has_room_for(self, socket: Stranger, headers: Headers) -> bool:
        """Whether there are few enough from where it comes; a proxy of ours says from where that is."""
        peer = socket.remote_address
        address = client_of(
            str(peer[0]) if isinstance(peer, tuple) else None,
            headers.get_all("X-Forwarded-For"),
            self._proxies,
        )
        if is_within(address, self._proxies) or socket not in self._places:
            return True
        place = place_of(address)
        if self._of_place[place] >= MAX_STRANGERS_OF_PLACE:
            return False
        self._of_place[place] += 1
        self._places[socket] = place
        return True

    def leave(self, socket: Stranger) -> None:
        """They have said who they are, or have gone."""
        place = self._places.pop(socket, None)
        if place is not None:
            self._of_place[place] -= 1
            if not self._of_place[place]:
                del self._of_place[place]
