"""Documents are taken apart as the standard library would, and hostile ones are given up early."""

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.archive.parsing import MAX_DEPTH, MAX_RECORD_BYTES, PIECE_BYTES, raw_values
from core.statements.refusals import UnreadableFile
from tests.core.rules.strategies import patient

LISTS = {"wanted": True, "counted": False}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
documents = st.fixed_dictionaries(
    {},
    optional={"wanted": st.lists(values, max_size=4), "counted": st.lists(values, max_size=4), "x": values},
)


def parsed(content: bytes) -> list[tuple[str, Any]]:
    return [(value.pointer, value.value) for value in raw_values(io.BytesIO(content), lists=LISTS)]


def expected(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if name in LISTS and isinstance(value, list):
            for position, one in enumerate(value):
                yield f"/{name}/{position}", one if LISTS[name] else None
        else:
            yield f"/{name}", value


@patient
@given(documents, st.sampled_from((None, 1)), st.booleans())
def test_values_are_those_that_the_document_has(
    document: dict[str, Any], indent: int | None, is_ascii: bool
) -> None:
    content = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()
    assert parsed(content) == list(expected(document))
    assert parsed(b"\xef\xbb\xbf" + content) == list(expected(document))


@patient
@given(documents, st.data())
def test_what_is_cut_off_or_changed_is_refused_or_read_but_never_fails(
    document: dict[str, Any], data: st.DataObject
) -> None:
    content = json.dumps(document, ensure_ascii=False).encode()
    at = data.draw(st.integers(0, len(content) - 1))
    for damaged in (
        content[:at],
        content[:at] + data.draw(st.binary(min_size=1, max_size=3)) + content[at + 1 :],
    ):
        with suppress(UnreadableFile):
            parsed(damaged)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "breaks off"),
        (b'{"wanted": [{"a": 1}', "breaks off, in /wanted/0"),
        (b'{"wanted": [1]', "breaks off"),
        (b'[{"a": 1}]', "an archive is a JSON object"),
        (b'"text"', "an archive is a JSON object"),
        (b'{"a": 1} {"b": 2}', "trailing garbage"),
        (b'{"wanted": [{"a": "\xff"}]}', "not in UTF-8"),
        (b'{"wanted": [{"a": "\xed\xa0\x80"}]}', "not in UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "malformed JSON"),
        (b'{"wanted": [1, {"a": NaN}]}', "malformed JSON"),
        (b'{"wanted": [1, {"a" 1}]}', "malformed JSON"),
        (b'{"wanted": [{"a": ' + b"9" * 5_000 + b"}]}", "too many digits"),
        (b'{"wanted": [{"a": 1e' + b"9" * 30 + b"}]}", "too many digits"),
        (b'{"wanted": [{"a\\u0000\\n": ' + b"[" * 30, f"nested more than {MAX_DEPTH} deep"),
    ],
)
def test_the_reason_is_said_and_where(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        parsed(content)
    assert reason in refused.value.detail


def test_what_comes_before_the_damage_is_read() -> None:
    values = raw_values(io.BytesIO(b'{"wanted": [1, 2, {"a": }'), lists=LISTS)
    assert [next(values).value, next(values).value] == [1, 2]
    with pytest.raises(UnreadableFile, match="/wanted/2"):
        next(values)


class Endless(io.RawIOBase):
    """A file that begins so and goes on with the same for ever."""

    def __init__(self, beginning: bytes, then: bytes) -> None:
        self.taken = 0
        piece = then * (PIECE_BYTES // len(then))
        self._pieces: Iterable[bytes] = itertools.chain([beginning], itertools.repeat(piece))

    def read(self, size: int = -1) -> bytes:
        piece = next(iter(self._pieces))
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize(
    ("beginning", "then"),
    [
        (b'{"wanted": [', b"["),
        (b'{"wanted": [', b'{"a":'),
        (b'{"wanted": [{"a": "', b"x"),
        (b'{"wanted": [{"a": "', b"\\u0041"),
        (b'{"wanted": [{"a": ', b"1"),
        (b'{"wanted": [{"a": [', b'"x",'),
        (b'{"wanted": [{"a": [', b"[],"),
        (b'{"wanted": [', b" "),
        (b'{"counted": [[', b"[],"),
        (b'{"counted": [', b"["),
        (b'{"other": [', b"1,"),
        (b'{"', b"x"),
        (b"", b" "),
    ],
)
def test_a_record_without_an_end_is_given_up_early(beginning: bytes, then: bytes) -> None:
    file = Endless(beginning, then)
    with pytest.raises(UnreadableFile):
        for _ in raw_values(file, lists=LISTS):  # type: ignore[arg-type]
            pass
    assert file.taken <= MAX_RECORD_BYTES + 2 * PIECE_BYTES
