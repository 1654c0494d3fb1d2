"""A push is cut to what its service takes: it would be refused until the channel is switched off."""

import json
from collections.abc import Callable
from typing import Any

import apprise
import pytest

from core.outgoing.push import MAX_BYTES, fitted, send_push
from core.outgoing.targets import Policy
from core.rules.deliveries import Fate
from core.rules.notification_texts import message_text
from tests.receiver import Receiver
from tests.workers.outgoing import BUDGET

ALLOWING = Policy(allows_private=True)
NAME = "*Food* <at home, and with others>"
BURST = message_text([("budget.threshold", {**BUDGET, "budget_name": f"{NAME} {n}"}) for n in range(50)])

URLS = {
    "discord": f"discord://12345678901234567890/{'a' * 60}",
    "gotify": "gotify://localhost/token",
    "matrix": "matrix://user:password@localhost/#room",
    "mmost": f"mmost://localhost/{'a' * 24}",
    "ntfy": "ntfy://localhost/topic",
    "pbul": f"pbul://{'a' * 34}",
    "pover": f"pover://{'a' * 30}@{'b' * 30}",
    "rocket": "rocket://user:password@localhost/#room",
    "signal": "signal://localhost/15551234567/15551234568",
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
}


@pytest.mark.parametrize(
    "url", ["aprs://DF1ABC:12345@DF1DEF", f"plivo://{'a' * 25}@{'b' * 40}/15551234567/15551234568"]
)
def test_a_service_with_room_for_a_few_words_gets_these(url: str) -> None:
    plugin: Any = apprise.Apprise.instantiate(url)
    title, body = fitted(plugin, "T" * 100, "word " * 100)
    assert 1 < len(title) + len(body) <= plugin.body_maxlen


def sent(scheme: str, title: str, body: str) -> tuple[str, str]:
    """Title and body as the service's plugin is handed them in the end."""
    plugin: Any = apprise.Apprise.instantiate(URLS[scheme])
    calls: list[tuple[str, str]] = []
    plugin.send = lambda body, title="", **_: calls.append((title, body)) or True
    sender = apprise.Apprise()
    sender.add(plugin)
    title, body = fitted(plugin, title, body)
    assert sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
    [call] = calls
    assert len(call[0]) + len(call[1]) <= plugin.body_maxlen
    return call


@pytest.mark.parametrize("scheme", URLS)
def test_a_long_burst_ends_with_a_whole_line_and_says_how_much_is_missing(scheme: str) -> None:
    title, body = sent(scheme, *BURST)
    assert "50 notifications" in title + body
    last = body.splitlines()[-1]
    shown = body.count("spent ")
    assert last == f"… and {50 - shown} more"
    assert shown > 5


@pytest.mark.parametrize("scheme", URLS)
def test_what_fits_is_left_as_it_is(scheme: str) -> None:
    title, body = sent(scheme, "A title", "One line\nand another one")
    assert "A title" in title + body
    assert body.splitlines()[-2:][0].endswith("One line")
    assert body.splitlines()[-1] == "and another one"


@pytest.mark.parametrize("scheme", URLS)
@pytest.mark.parametrize("letter", ["*", "ж", "🍞", "<"])
def test_one_line_that_is_too_long_is_cut(scheme: str, letter: str) -> None:
    _, body = sent(scheme, "A title", letter * 5_000)
    assert body.endswith("…")
    assert body.count(letter.replace("<", "&lt;") if "&lt;" in body else letter) > 100


def of_mattermost(document: Any) -> str:
    return str(document["text"])


def of_gotify(document: Any) -> str:
    return f"{document['title']}\n{document['message']}"


@pytest.mark.parametrize(
    ("url", "text_in", "longest"),
    [
        (f"mmost://127.0.0.1:PORT/{'a' * 24}", of_mattermost, 4_000),
        ("gotify://127.0.0.1:PORT/token", of_gotify, MAX_BYTES + 100),
        (f"rocket://{'a' * 17}%2F{'b' * 24}@127.0.0.1:PORT/#room?mode=webhook", of_mattermost, 1_000),
    ],
)
def test_so_much_goes_over_the_wire(url: str, text_in: Callable[[Any], str], longest: int) -> None:
    scheme = url.partition(":")[0]
    with Receiver().running() as receiver:
        outcome = send_push(
            url.replace("PORT", str(receiver.port)),
            title=BURST[0], body=BURST[1], schemes={scheme}, policy=ALLOWING,
        )  # fmt: skip
    assert outcome.fate is Fate.SENT
    [request] = receiver.received
    text = text_in(json.loads(request.body))
    assert len(text) <= longest
    assert "50 notifications" in text.splitlines()[0]
    assert text.splitlines()[-1].startswith("… and ")
