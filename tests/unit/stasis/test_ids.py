"""Ids of ours: made, taken apart, never mixed up with others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis.ids import CallIds, ParsedId, parse


@given(
    node=st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._-]{0,47}", fullmatch=True),
    call_id=st.from_regex(r"[0-9A-Za-z]{1,64}", fullmatch=True),
)
def test_parse_undoes_making(node: str, call_id: str) -> None:
    ids = CallIds(node=node, call_id=call_id)
    assert parse(ids.callee) == ParsedId(node, call_id, "c")
    assert parse(ids.media) == ParsedId(node, call_id, "m")
    assert parse(ids.bridge) == ParsedId(node, call_id, "b")
    assert parse(ids.target_of(1)) == ParsedId(node, call_id, "t")
    assert parse(ids.target_of(12)) == ParsedId(node, call_id, "t", 12)
    assert len(ids.target_of(99)) <= 149


@pytest.mark.parametrize(
    "other",
    [
        "",
        "1700000000.42",
        "od-n1-abc",
        "od-n1-abc-x",
        "od-n1-abc-c;2",
        "od-n1-abc-t1",
        "od-n1-abc-c2",
        "od--abc-c",
        "od-n1--c",
        "xod-n1-abc-c",
        "od-n1-abc-c\n",
    ],
)
def test_other_ids_are_not_ours(other: str) -> None:
    assert parse(other) is None


@pytest.mark.parametrize(
    ("node", "call_id"), [("", "a"), ("n/1", "a"), ("n1", ""), ("n1", "a-b"), ("n1", "a" * 65)]
)
def test_unusable_parts_are_refused(node: str, call_id: str) -> None:
    with pytest.raises(ValueError, match="please"):
        CallIds(node=node, call_id=call_id)
