"""Whatever an archive is turned into: it is refused, or taken in as far as it makes sense; nothing breaks."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.queries.invariants import conversion_differences, spending_differences
from tests.api.calls import PDF
from tests.archives.archivist import Archivist, Document
from tests.archives.documents import document
from tests.archives.test_attachments import attachment, parts
from tests.archives.test_imports import category, expense
from tests.core.services.spender import Spender, at

EXAMPLES = {"postgresql": 40, "sqlite": 60}

NIL = "00000000-0000-0000-0000-000000000000"

odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        [
            "", "\0", "x" * 5_000, "0", "-1", "9" * 30, "1e9", "NaN", NIL, "EUR", "JPY", "group", "manual",
            "0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
            "2026-05-04T00:00:00+23:59", [], {}, [[]], [None] * 200, {"a": {"b": {}}}, 0, 1.5, 10**400,
        ]
    ),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values within."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in pairs for place in places(inner, (*path, key)))]


def mutated(found: Document, data: st.DataObject) -> Document:
    changed = copy.deepcopy(found)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(changed)[1:]))
        holder: Any = changed
        for key in place[:-1]:
            holder = holder[key]
        match data.draw(st.sampled_from(("replace", "replace", "replace", "delete", "double", "move"))):
            case "delete":
                del holder[place[-1]]
            case "double" if isinstance(holder, list):
                holder.append(holder[place[-1]])
            case "move" if isinstance(holder, dict):
                holder[data.draw(st.text(max_size=3))] = holder.pop(place[-1])
            case _:
                # A list of its own: those that are sampled are the same object each time.
                holder[place[-1]] = copy.deepcopy(data.draw(odd_values))
    return changed


def test_no_archive_breaks_anything(archivist: Archivist) -> None:
    whole = rich(archivist)

    @settings(
        max_examples=EXAMPLES[archivist.database.dialect],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        content = json.dumps(mutated(whole, data), ensure_ascii=data.draw(st.booleans())).encode()
        if data.draw(st.integers(0, 5)) == 0:
            at_ = data.draw(st.integers(0, len(content)))
            content = content[:at_] + data.draw(st.binary(max_size=4)) + content[at_ + 1 :]
        user_id = archivist.new_account()
        record = archivist.preview(user_id, content)
        assert record.state in ("preview", "failed")
        if record.state == "failed":
            assert record.failure is not None
            return
        done = archivist.commit(record, settings=True)
        assert done.state == "succeeded"
        assert done.problem_count >= record.problem_count
        archivist.export(user_id)
        with archivist.database.reading() as session:
            assert spending_differences(session, user_id=user_id) == []
            assert conversion_differences(session, user_id=user_id) == []
        if done.committed_count:
            assert archivist.undo(done).state == "undone"

    check()


def rich(archivist: Archivist) -> Document:
    """Something of everything."""
    with at("2026-05-20T12:00:00"):
        me = Spender(archivist.database)
        me.budget("100.00", has_pace_alert=True, categories=["food"])
        me.spend("85.00", "2026-05-04", category="food")
        me.settle()
        found = archivist.document(me.id)
    lines = [{"category_id": None, "amount": "0.50", "note": "x"}] * 2
    spent = [
        expense(lines=lines, tags=["a", "b"]),
        expense(exchange_rate={"currency": "USD", "rate": "1.5"}, deleted_at="2026-05-04T00:00:00Z"),
    ]
    stamps = {name: spent[0][name] for name in ("version", "created_at", "updated_at")}
    rule = {
        "id": spent[0]["id"],
        "name": "Bread",
        "position": 1,
        "when": {"all": [{"payee": {"contains": "x"}}, {"not": {"amount": {"at_least": "1"}}}]},
        "then": {"category_id": found["categories"][0]["id"], "add_tags": ["a"], "payee": "Baker"},
        "is_active": True,
        **stamps,
    }
    return {
        **document({}),
        "categories": [*found["categories"], category("Other")],
        "rules": [rule],
        "expenses": [*found["expenses"], *spent],
        "files": parts(PDF, size=30),
        "attachments": [attachment(spent[0]["id"], PDF)],
        **{name: found[name] for name in ("budgets", "alerts", "pace_alerts", "notifications")},
    }
