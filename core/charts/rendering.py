"""Specifications become pictures, by vl-convert: Vega-Lite in an engine of its own, without a browser.

This file is also the program of the rendering process (`core/charts/renderer.py` starts it by its path), so
it imports nothing of ours.
"""

import json
import re
import signal
import socket
import struct
import sys
import zlib
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

Format = Literal["svg", "png"]

VEGA_LITE = "6.4"

MAX_POINTS = 5_000
"""Rows of data in one chart. Ours have some hundreds, each of which takes Vega two or three milliseconds."""

MAX_PIXELS = 16_000_000
"""Of a PNG: 64 MB while it is drawn. The largest of our charts has 4 million at twice its size."""

IDLE_S = 300.0
"""A process without work ends itself: its 150 MB are worth more than the second the next start takes."""

MAX_REASON_CHARACTERS = 300

HEADER = struct.Struct("!cI")
"""Before each message over the socket: its kind and its length in bytes."""
DRAW_SVG, DRAW_PNG, DRAWN, FAILED = b"s", b"p", b"d", b"f"
"""Kinds: what is asked for, and what comes back."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK, CHECKSUM = struct.Struct("!I4s"), struct.Struct("!I")
PNG_LEVEL = 3
"""Of zlib: 6 takes twice as long for a quarter less, and time is what somebody waits for."""

MANY_SHAPES = 150
"""More bars than these are hairlines, which are drawn to whole pixels: smoothing them would take most of the
time, for nothing that could be seen."""

_TEXT = re.compile(r"(<text\b[^>]*>)([^<]*)(</text>)")
_PICTOGRAPHS = re.compile(
    "[\U0001f000-\U0001faff\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\ufe0e\ufe0f\u200d\u20e3]+"
)


def render_svg(spec: dict[str, Any]) -> bytes:
    """The picture as SVG in UTF-8; its description is there for screen readers.

    Raises:
        ValueError: the specification is not valid, asks for data from elsewhere, or is too large.
    """
    import vl_convert

    _require_bounds(spec)
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    label = quoteattr(str(spec.get("description", "")))
    return svg.replace('class="marks"', f'class="marks" role="img" aria-label={label}', 1).encode()


def render_png(spec: dict[str, Any], scale: float) -> bytes:
    """The picture as PNG, `scale` times as large as the specification says.

    Raises:
        ValueError: as with `render_svg`, or more pixels than MAX_PIXELS.
    """
    import vl_convert

    svg = render_svg(spec).decode()
    width, height = (float(size) for size in re.findall(r'\b(?:width|height)="([0-9.]+)"', svg)[:2])
    if not (scale > 0 and 1 <= width * scale * height * scale <= MAX_PIXELS):
        raise ValueError(f"a picture of {width:g} by {height:g} cannot be drawn at {scale:g} times its size")
    if svg.count("<path ") > MANY_SHAPES:
        svg = svg.replace('<g class="mark-rect', '<g shape-rendering="crispEdges" class="mark-rect')
    return _packed(vl_convert.svg_to_png(_without_pictographs(svg), scale=scale))


def _packed(png: bytes) -> bytes:
    """The same PNG, compressed well: half to an eighth of what vl-convert writes, for some 25 ms."""
    before, pixels, position = b"", b"", len(PNG_SIGNATURE)
    while position < len(png):
        length, kind = CHUNK.unpack_from(png, position)
        end = position + CHUNK.size + length + CHECKSUM.size
        if kind == b"IDAT":
            pixels += png[position + CHUNK.size : end - CHECKSUM.size]
        elif not pixels:
            before += png[position:end]
        position = end
    packed = zlib.compress(zlib.decompress(pixels), PNG_LEVEL)
    return PNG_SIGNATURE + before + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return CHUNK.pack(len(content), kind) + content + CHECKSUM.pack(zlib.crc32(kind + content))


def _without_pictographs(svg: str) -> str:
    """Names without their emoji, which could only be boxes here; a name of nothing else stays as it is."""

    def plain(text: re.Match[str]) -> str:
        left = _PICTOGRAPHS.sub("", text[2])
        return text[1] + (left if left.strip() else text[2]) + text[3]

    return _TEXT.sub(plain, svg)


def _require_bounds(spec: dict[str, Any]) -> None:
    points = 0
    waiting: list[Any] = [spec]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            data = part.get("data")
            if isinstance(data, dict):
                if "values" not in data or "url" in data:
                    raise ValueError("a chart carries its data in itself")
                points += len(data["values"])
            waiting += [inner for name, inner in part.items() if name != "data"]
    if points > MAX_POINTS:
        raise ValueError(f"a chart has at most {MAX_POINTS} rows of data, not {points}")


def serve(connection: socket.socket, *, idle_s: float = IDLE_S) -> None:
    """Draw what is asked for until nobody is there any more or nothing has been asked for a while."""
    while True:
        connection.settimeout(idle_s)
        try:
            kind, length = HEADER.unpack(receive(connection, HEADER.size))
            connection.settimeout(None)
            request = json.loads(receive(connection, length))
        except (EOFError, OSError):
            return
        # The kernel ends this process if drawing hangs, also when nobody is left to do that.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            spec = request["spec"]
            drawn = render_png(spec, request["scale"]) if kind == DRAW_PNG else render_svg(spec)
            answer = HEADER.pack(DRAWN, len(drawn)) + drawn
        except Exception as error:  # noqa: BLE001 - whatever vl-convert raises is the answer
            # The first words say what is wrong; after them come the engine's own lines.
            reason = str(error)[:MAX_REASON_CHARACTERS].encode(errors="replace")
            answer = HEADER.pack(FAILED, len(reason)) + reason
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.sendall(answer)


def encode(kind: bytes, *, seconds: float, scale: float, spec: dict[str, Any]) -> bytes:
    """What asks for a picture, to be drawn within so many seconds."""
    content = json.dumps({"seconds": seconds, "scale": scale, "spec": spec}, allow_nan=False).encode()
    return HEADER.pack(kind, len(content)) + content


def receive(connection: socket.socket, length: int) -> bytes:
    """Exactly so many bytes.

    Raises:
        EOFError: the other side has gone.
        TimeoutError: the socket's timeout passed without a byte.
    """
    received = bytearray()
    while len(received) < length:
        part = connection.recv(min(length - len(received), 1 << 16))
        if not part:
            raise EOFError("the other side has gone")
        received += part
    return bytes(received)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which may still want a chart
    serve(socket.socket(fileno=int(sys.argv[1])))
