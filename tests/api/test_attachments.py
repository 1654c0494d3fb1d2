"""Attachments over HTTP: files come back as they went, and are nobody else's."""

import hashlib
import struct
import zlib
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.resources.attachments import MAX_ATTACHMENT_BYTES
from api.uploads import MAX_NAME_CHARACTERS, clean_name
from core.services import attachments
from tests.api.calls import PDF, new_attachment, new_expense, problem, read, wrong_fields
from tests.cast import Cast

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=cut"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def path(me: httpx.Client) -> str:
    return f"/v1/expenses/{new_expense(me)['id']}/attachments"


def attach(client: httpx.Client, path: str, content: bytes, name: str = "receipt.pdf") -> httpx.Response:
    return client.post(path, files={"file": (name, content, "text/html")})


def test_a_file_comes_back_as_it_went(me: httpx.Client, path: str) -> None:
    large = PDF + bytes(range(256)) * 8_000
    answer = attach(me, path, large, "Grüße aus dem Café.pdf")
    shown = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{path}/{shown['id']}"
    assert (shown["name"], shown["type"]) == ("Grüße aus dem Café.pdf", "application/pdf")
    assert (shown["bytes"], shown["sha256"]) == (len(large), hashlib.sha256(large).hexdigest())
    assert read(me, path) == {"items": [shown], "next_cursor": None}
    got = me.get(answer.headers["Location"])
    assert (got.status_code, got.content) == (200, large)
    assert got.headers["Content-Type"] == "application/pdf"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert (
        me.get(answer.headers["Location"], headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    )


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"),
        (png(), "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg"),
        (b"GIF89a\x01\x00\x01\x00", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_the_type_is_found_in_the_content(
    me: httpx.Client, path: str, content: bytes, media_type: str
) -> None:
    assert attach(me, path, content, "page.html").json()["type"] == media_type


@pytest.mark.parametrize("content", [SVG, b"<html>", b"MZ\x90", b"PK\x03\x04", b"plain text", b" %PDF"])
def test_other_types_are_refused_whatever_they_are_called(
    me: httpx.Client, path: str, content: bytes
) -> None:
    assert wrong_fields(attach(me, path, content, "picture.png")) == ["/file"]
    assert read(me, path)["items"] == []


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=5-9", 206, 5, 9),
        ("bytes=10-", 206, 10, None),
        ("bytes=-4", 206, -4, None),
        ("bytes=-100000", 206, 0, None),
        ("bytes=5-100000", 206, 5, None),
        ("bytes=100000-", 416, None, None),
        ("bytes=-0", 416, None, None),
        ("bytes=9-5", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("bytes=0-1,3-4", 200, 0, None),
        ("items=0-1", 200, 0, None),
        ("bytes=\u0663-", 200, 0, None),
    ],
)
def test_a_range_of_a_file(
    me: httpx.Client, path: str, asked: str, status: int, first: int | None, last: int | None
) -> None:
    one = f"{path}/{attach(me, path, PDF).json()['id']}"
    got = me.get(one, headers={"Range": asked.encode()})
    assert got.status_code == status
    if status == 416:
        problem(got, 416)
        assert got.headers["Content-Range"] == f"bytes */{len(PDF)}"
    else:
        expected = PDF[first : None if last is None else last + 1]
        assert got.content == expected
    if status == 206:
        start = PDF.index(expected) if len(expected) > 1 else 0
        assert got.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(PDF)}"
    other = me.get(one, headers={"Range": "bytes=0-0", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, PDF)


def test_what_is_wrong_with_a_form_is_named(me: httpx.Client, path: str) -> None:
    two = [("file", ("a.pdf", PDF)), ("file", ("b.pdf", PDF))]
    assert wrong_fields(me.post(path, files=two)) == ["/file"]
    assert wrong_fields(me.post(path, files={"picture": ("a.pdf", PDF)})) == ["/picture"]
    assert wrong_fields(attach(me, path, b"")) == ["/file"]
    assert wrong_fields(me.post(path, content=b"--cut--\r\n", headers=BOUNDARY)) == ["/file"]
    assert wrong_fields(me.post(path, content=b"nothing", headers=BOUNDARY)) == [""]
    problem(me.post(path, json={}), 415)
    assert read(me, path)["items"] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            [b"--cut", b"--cut--", b"\r\n", b"\n", b"\r\n\r\n", PDF, b"\x00", b"\xff", b":", b";",
             b'Content-Disposition: form-data; name="file"; filename="a.pdf"',
             b'Content-Disposition: form-data; name="file', b"Content-Type: text/plain; charset=none",
             b"Content-Transfer-Encoding: base64"]
        ),
        max_size=12,
    ).map(b"".join)
)  # fmt: skip
def test_no_form_is_our_fault(me: httpx.Client, path: str, body: bytes) -> None:
    assert me.post(path, content=body, headers=BOUNDARY).status_code in (201, 413, 422, 409)


def test_a_file_may_be_as_large_as_is_said_and_no_larger(me: httpx.Client, path: str) -> None:
    most = PDF.ljust(MAX_ATTACHMENT_BYTES, b"\0")
    assert attach(me, path, most).status_code == 201
    problem(attach(me, path, most + b"\0"), 413)


def test_an_expense_has_room_for_so_many(
    me: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_ATTACHMENTS", 1)
    assert attach(me, path, PDF).status_code == 201
    problem(attach(me, path, PDF), 409)
    monkeypatch.setattr(attachments, "MAX_ATTACHMENTS", 20)
    monkeypatch.setattr(attachments, "MAX_ATTACHED_BYTES", 2 * len(PDF) - 1)
    problem(attach(me, path, PDF), 409)


def test_the_same_upload_with_a_key_attaches_once(me: httpx.Client, path: str) -> None:
    def upload(content: bytes) -> httpx.Response:
        return me.post(path, files={"file": ("a.pdf", content)}, headers={"Idempotency-Key": "one"})

    first, second = upload(PDF), upload(PDF)
    assert first.json() == second.json()
    assert len(read(me, path)["items"]) == 1
    problem(upload(PDF + b"\n"), 409)


def test_attachments_go_and_come_with_their_expense(me: httpx.Client) -> None:
    expense_id = new_expense(me)["id"]
    one = f"/v1/expenses/{expense_id}/attachments/{new_attachment(me, expense_id)['id']}"
    other = new_expense(me)["id"]
    problem(me.get(f"/v1/expenses/{other}/attachments/{one.rpartition('/')[2]}"), 404)
    assert me.delete(f"/v1/expenses/{expense_id}").status_code == 204
    problem(me.get(one), 404)
    problem(me.get(one.rpartition("/")[0]), 404)
    assert me.post(f"/v1/expenses/{expense_id}/restore").status_code == 200
    assert me.get(one).content == PDF
    assert me.delete(one).status_code == 204
    problem(me.get(one), 404)


def test_nobody_else_sees_or_touches_it(cast: Cast) -> None:
    expense_id = new_expense(cast.owner.client)["id"]
    listed = f"/v1/expenses/{expense_id}/attachments"
    one = f"{listed}/{new_attachment(cast.owner.client, expense_id)['id']}"
    for other in (cast.member.client, cast.stranger.client):
        problem(other.get(listed), 404)
        problem(other.get(one), 404)
        problem(other.delete(one), 404)
        problem(attach(other, listed, PDF), 404)
    assert cast.owner.client.get(one).content == PDF


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("receipt.pdf", "receipt.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\receipts\\may.pdf", "may.pdf"),
        ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie: x.pdf"),
        ("\u202egpj.exe", "gpj.exe"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        ("x" * 300 + ".pdf", "x" * (MAX_NAME_CHARACTERS - 4) + ".pdf"),
    ],
)
def test_names_are_names_and_nothing_else(name: str | None, clean: str) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize("name", ['a"b.pdf', "a;b.pdf", "日本.pdf", "a%0d%0ab.pdf", "\\"])
def test_no_name_breaks_out_of_its_header(me: httpx.Client, path: str, name: str) -> None:
    shown: dict[str, Any] = attach(me, path, PDF, name).json()
    headers = me.get(f"{path}/{shown['id']}").headers
    assert headers["Content-Disposition"].count("attachment") == 1
    assert "\n" not in headers["Content-Disposition"]
    assert "Set-Cookie" not in headers
