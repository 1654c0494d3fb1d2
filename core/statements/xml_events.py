"""XML from strangers, as a stream of elements: without DTD and entities, and without a tree in memory."""

from collections.abc import Iterable, Iterator
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler

from core.statements.refusals import UnreadableFile

FEED_BYTES = 1024 * 1024
"""Before Expat 2.6 a tag that is not complete is read anew with each piece: pieces are large, hence few."""

MAX_DEPTH = 60
"""CAMT has 12 levels, a sheet of Excel 8."""

MAX_NAMES = 2_000
"""Different names of elements and attributes. The parser keeps each of them for good."""

MAX_TEXT_CHARS = 100_000
"""Of an element; what is longer is cut."""


class Elements(ContentHandler):
    """Tells a subclass of the elements, by names without a prefix and within limits that all files have."""

    def __init__(self) -> None:
        super().__init__()
        self.path: list[str] = []
        """Down to the element that is told of, itself included."""
        self._content: list[str] = []
        self._chars = 0
        self._locals: dict[str, str] = {}
        self._attributes: set[str] = set()

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """An element has begun. The names of attributes are with their prefixes."""

    def closed(self, name: str, text: str) -> None:
        """An element has ended; this is the text in it, behind any elements in it."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = self._locals.get(name)
        if local is None:
            local = self._locals[name] = name.rpartition(":")[2]
            self._check_names()
        if not attributes.keys() <= self._attributes:
            self._attributes.update(attributes)
            self._check_names()
        self.path.append(local)
        if len(self.path) > MAX_DEPTH:
            raise UnreadableFile(f"is XML of more than {MAX_DEPTH} levels")
        self._content.clear()
        self._chars = 0
        self.opened(local, attributes)

    def characters(self, content: str) -> None:
        if self._chars < MAX_TEXT_CHARS:
            self._content.append(content[:MAX_TEXT_CHARS])
            self._chars += len(content)

    def end(self, _: str) -> None:
        text = "".join(self._content)
        self._content.clear()
        self._chars = 0
        self.closed(self.path[-1], text)
        self.path.pop()

    def _check_names(self) -> None:
        if len(self._locals) + len(self._attributes) > MAX_NAMES:
            raise UnreadableFile("is XML with too many different names")


def parse(pieces: Iterable[bytes], elements: Elements) -> Iterator[None]:
    """Have the elements told of; it pauses after each piece, so that what was gathered can be taken.

    Raises:
        UnreadableFile: it is no XML, has a DTD, or is beyond a limit.
    """
    # Not at import: only the processes that read such a file need it.
    from defusedxml import DefusedXmlException
    from defusedxml.expatreader import DefusedExpatParser

    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(elements)
    # Not by way of startElement(), for which the attributes are wrapped up: that takes half as long again.
    parser.start_element, parser.end_element = elements.start, elements.end
    try:
        for piece in _large(pieces):
            if len(piece) >= FEED_BYTES and b">" not in piece:
                raise UnreadableFile("is XML with an element that is too long")
            parser.feed(piece)
            yield
        parser.close()
        yield
    except DefusedXmlException as error:
        raise UnreadableFile("is XML with a DTD or entities, which no bank needs") from error
    except SAXException as error:
        raise UnreadableFile(f"is damaged: {_where(error)}") from error
    except (ValueError, LookupError) as error:
        # Encodings that are unknown, or that Expat cannot take from Python.
        raise UnreadableFile("is XML in an encoding that cannot be read") from error


def _large(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= FEED_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _where(error: SAXException) -> str:
    if isinstance(error, SAXParseException):
        return f"{error.getMessage()} in line {error.getLineNumber()}"
    return error.getMessage()
