"""Files come along with their content, and only what they are said to be."""

import hashlib
from base64 import b64encode
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.archive.records import PART_BYTES
from core.queries.attachments import list_attachments
from core.services import archived_attachments
from core.services.attachments import MAX_ATTACHMENTS, NewAttachment, attach_file
from tests.api.calls import PDF
from tests.archives.archivist import Archivist, comparable, encoded
from tests.archives.documents import document
from tests.archives.test_imports import expense, lists, problems
from tests.core.services.spender import Spender

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1_000
"""Of several parts."""

SVG = b"<svg onload='alert(1)'/>"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def parts(whole: bytes, size: int = PART_BYTES, **changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "sha256": sha256(whole),
            "bytes": len(whole),
            "offset": offset,
            "content": b64encode(whole[offset : offset + size]).decode(),
            **changes,
        }
        for offset in range(0, len(whole), size)
    ]


def attachment(expense_id: str, content: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "expense_id": expense_id,
        "name": "receipt \u65c5\u884c.pdf",
        "type": "application/pdf",
        "bytes": len(content),
        "sha256": sha256(content),
        "created_at": "2026-01-01T00:00:00Z",
        **changes,
    }


def test_content_comes_along_once_for_all_that_have_it(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    for content in (PNG, PNG, PDF):
        expense_id = me.spend("1.00")
        with archivist.files.draft() as draft:
            draft.write(content)
            file = draft.keep()
        with archivist.database.transaction() as session:
            new = NewAttachment(file=file, name="a", media_type="image/png")
            attach_file(session, user_id=me.id, expense_id=expense_id, attachment=new)
    me.delete(expense_id)
    found = archivist.document(me.id)
    assert len(found["attachments"]) == 3
    assert sum(part["offset"] == 0 for part in found["files"]) == 2
    archive = archivist.export(me.id)
    for content in (PNG, PDF):
        archivist.files.path(sha256(content)).unlink()
    user_id = archivist.new_account()
    done = archivist.take_in(user_id, archive)
    assert lists(done)["attachments"] == (3, 0)
    with archivist.files.open(sha256(PNG)) as stored:
        assert stored.read() == PNG
    again = archivist.document(user_id)
    # What it is, is found in its content.
    assert {one["type"] for one in again.pop("attachments")} == {"image/png", "application/pdf"}
    assert again["files"] == found["files"]
    assert lists(archivist.take_in(user_id, archive))["attachments"] == (0, 3)


@pytest.mark.parametrize(
    ("files", "pointer"),
    [
        ([], ""),
        (parts(PDF, sha256=sha256(b"other")), "/files/0/sha256"),
        (parts(PDF, content="%%%"), "/files/0/content"),
        (parts(PDF, content="\u00e9" * 4), "/files/0/content"),
        (parts(PDF, content=""), "/files/0/content"),
        (parts(PDF, bytes=len(PDF) - 1), "/files/0/content"),
        (parts(PDF, bytes=0), "/files/0/bytes"),
        (parts(PDF, bytes=2**40), "/files/0/bytes"),
        (parts(PDF, offset=1), "/files/0/offset"),
        (parts(PDF, size=10)[:-1], ""),
        (parts(PDF, size=10)[1:], "/files/0/offset"),
        ([*parts(PDF, size=30)[:1], *parts(PNG)[:1], *parts(PDF, size=30)[1:]], "/files/2/offset"),
        (parts(SVG), "/files/0/content"),
    ],
)
def test_a_file_that_is_not_whole_is_left_out(
    archivist: Archivist, files: list[dict[str, Any]], pointer: str
) -> None:
    user_id = archivist.new_account()
    spent = expense()
    content = b"<svg onload='alert(1)'/>" if len(files) == 1 and "svg" not in str(files) else PDF
    wanted = PDF if not files or files[0]["bytes"] != 24 else content
    archive = document(
        {"expenses": [spent], "files": files, "attachments": [attachment(spent["id"], wanted)]}
    )
    record = archivist.preview(user_id, encoded(archive))
    done = archivist.commit(record)
    assert problems(done) == problems(record)
    fields = [field for field, _ in problems(done)]
    assert fields == [*([pointer] if pointer else []), "/attachments/0/sha256"]
    assert (done.state, done.committed_count) == ("succeeded", 1)


def test_a_hash_alone_gives_nobody_a_file(archivist: Archivist) -> None:
    """Though the content is here, as somebody else's."""
    other, user_id = archivist.new_account(), archivist.new_account()
    spent = expense()
    lists_ = {"expenses": [spent], "files": parts(PDF), "attachments": [attachment(spent["id"], PDF)]}
    assert archivist.take_in(other, encoded(document(lists_))).problem_count == 0
    done = archivist.take_in(user_id, encoded(document({**lists_, "files": []})))
    assert [field for field, _ in problems(done)] == ["/attachments/0/sha256"]


def test_attachments_have_an_expense_and_their_limits(
    archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = archivist.new_account()
    full, other = expense(), expense()
    many = [attachment(full["id"], PDF) for _ in range(MAX_ATTACHMENTS + 1)]
    stray = attachment(str(uuid4()), PDF)
    rest = [attachment(other["id"], PNG), attachment(other["id"], PDF)]
    monkeypatch.setattr(archived_attachments, "MAX_ATTACHED_BYTES", MAX_ATTACHMENTS * len(PDF) + len(PNG))
    archive = document(
        {
            "expenses": [full, other],
            "files": [*parts(PDF), *parts(PNG)],
            "attachments": [*many, stray, *rest],
        }
    )
    done = archivist.take_in(user_id, encoded(archive))
    assert lists(done)["attachments"] == (MAX_ATTACHMENTS + 1, 0)
    assert [field for field, _ in problems(done)] == [
        f"/attachments/{MAX_ATTACHMENTS}/expense_id",
        f"/attachments/{MAX_ATTACHMENTS + 1}/expense_id",
        f"/attachments/{MAX_ATTACHMENTS + 3}",
    ]


def test_an_attachment_comes_to_an_expense_that_is_there(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    spent = expense()
    archivist.take_in(user_id, encoded(document({"expenses": [spent]})))
    before = comparable(archivist.document(user_id))
    added = {"expenses": [spent], "files": parts(PDF), "attachments": [attachment(spent["id"], PDF)]}
    done = archivist.take_in(user_id, encoded(document(added)))
    assert lists(done) == {"expenses": (0, 1), "attachments": (1, 0)}
    with archivist.database.reading() as session:
        (found,) = list_attachments(session, user_id=user_id, expense_id=UUID(spent["id"]))
    assert found.sha256 == sha256(PDF)
    assert archivist.undo(done).state == "undone"
    assert comparable(archivist.document(user_id)) == before
