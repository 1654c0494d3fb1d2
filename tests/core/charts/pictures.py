"""Looking at pictures: the texts of an SVG, the lines of a PNG."""

import struct
import xml.etree.ElementTree as ElementTree
import zlib
from dataclasses import dataclass

SVG = "{http://www.w3.org/2000/svg}"

HARMLESS_ELEMENTS = {"svg", "g", "rect", "path", "line", "text", "defs", "clipPath"}
HARMLESS_ATTRIBUTES = {
    "version", "class", "width", "height", "viewBox", "role", "aria-label", "aria-hidden", "fill",
    "fill-opacity", "stroke", "stroke-width", "stroke-miterlimit", "stroke-linecap", "stroke-linejoin",
    "stroke-opacity", "transform", "d", "opacity", "text-anchor", "font-family", "font-size", "font-weight",
    "pointer-events", "display", "x", "y", "x2", "y2", "aria-roledescription", "clip-path", "id",
}  # fmt: skip


@dataclass(frozen=True)
class Svg:
    root: ElementTree.Element

    @classmethod
    def read(cls, picture: bytes) -> "Svg":
        """Fails where it is not well-formed XML."""
        return cls(ElementTree.fromstring(picture))

    @property
    def texts(self) -> list[str]:
        return ["".join(element.itertext()) for element in self.root.iter(f"{SVG}text")]

    @property
    def size(self) -> tuple[int, int]:
        return int(self.root.attrib["width"]), int(self.root.attrib["height"])

    def dangers(self) -> list[str]:
        """Whatever could run, or load something from elsewhere."""
        found = []
        for element in self.root.iter():
            name = element.tag.removeprefix(SVG)
            if name not in HARMLESS_ELEMENTS:
                found.append(f"<{name}>")
            for attribute, value in element.attrib.items():
                if attribute not in HARMLESS_ATTRIBUTES:
                    found.append(f"<{name} {attribute}>")
                if attribute == "clip-path" and not value.startswith("url(#"):
                    found.append(f"<{name} {attribute}={value}>")
        return found


@dataclass(frozen=True)
class Png:
    width: int
    height: int
    lines: list[bytes]
    """Of pixels, as they were filtered."""

    @classmethod
    def read(cls, picture: bytes) -> "Png":
        """Fails where a checksum or a length is wrong."""
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        chunks: dict[bytes, bytes] = {}
        position = 8
        while position < len(picture):
            length, kind = struct.unpack_from("!I4s", picture, position)
            content = picture[position + 8 : position + 8 + length]
            (checksum,) = struct.unpack_from("!I", picture, position + 8 + length)
            assert checksum == zlib.crc32(kind + content)
            chunks[kind] = content
            position += 12 + length
        assert kind == b"IEND"
        width, height, depth, colours = struct.unpack("!IIBB", chunks[b"IHDR"][:10])
        assert (depth, colours) == (8, 6)
        pixels = zlib.decompress(chunks[b"IDAT"])
        step = 1 + 4 * width
        assert len(pixels) == step * height
        return cls(width, height, [pixels[start : start + step] for start in range(0, len(pixels), step)])

    @property
    def is_drawn_on(self) -> bool:
        return len(set(self.lines)) > 20
