"""Messages of the Model Context Protocol, and the event streams they come on."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ValidationFailed
from app.outside_tools import answer
from app.outside_tools.errors import ToolFailed
from app.outside_tools.mcp_wire import definitions, header_value, messages, mirrored_headers, told
from app.outside_tools.sse import SseEvent, SseReader
from app.sim.tools.mcp_twin import _decoded  # pyright: ignore[reportPrivateUsage]
from app.sim.tools.server import event

LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)


def read(stream: bytes, *cuts: int) -> list[SseEvent]:
    reader, ends = SseReader(), sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    return [one for start, end in pairwise(ends) for one in reader.feed(stream[start:end])]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [SseEvent(data="a")]),
        (b"data:a\r\rdata: b\r\n\r\n", [SseEvent(data="a"), SseEvent(data="b")]),
        (b"\xef\xbb\xbfdata: a\ndata:  b\ndata\n\n", [SseEvent(data="a\n b\n")]),
        (
            b": comment\nevent: x\nid: 7\ndata: a\n\ndata: b\n\n",
            [SseEvent(name="x", data="a", last_id="7"), SseEvent(data="b", last_id="7")],
        ),
        (b"data: a\r\ndata: b\r\n\r\n", [SseEvent(data="a\nb")]),
        (b"event: x\n\ndata: a\n\n", [SseEvent(data="a")]),
        (b"data: cut off\n", []),
        (b"data: cut off", []),
        (b"data:\n\n", [SseEvent(data="")]),
        (b"nonsense\nmore: of it\ndata: a\n\n", [SseEvent(data="a")]),
        (b"data: \xff\n\n", [SseEvent(data="\ufffd")]),
    ],
)
def test_streams(stream: bytes, events: list[SseEvent]) -> None:
    assert read(stream) == events
    assert read(stream, *range(len(stream))) == events


@given(
    st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=4),
    st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=1, max_size=5),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_an_event_is_read_however_it_is_cut(data: list[list[str]], ends: list[bytes], cuts: list[int]) -> None:
    stream, turn = b"", 0
    for lines in data:
        for line in (*(f"data: {one}" for one in lines), ""):
            stream += line.encode() + ends[turn % len(ends)]
            turn += 1
    # A line end of \r before an empty line that ends with \n is one line end: such streams say something else.
    if b"\r" in ends and b"\n" in ends:
        assert read(stream, *cuts) == read(stream)
    else:
        assert [one.data for one in read(stream, *cuts)] == ["\n".join(lines) for lines in data]


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=6))
def test_no_bytes_break_the_reader(stream: bytes, cuts: list[int]) -> None:
    assert read(stream, *cuts) == read(stream)


def test_retry_is_read() -> None:
    reader = SseReader()
    reader.feed(b"retry: 250\nretry: soon\n\n")
    assert reader.retry_ms == 250


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_every_value_fits_a_header(text: str) -> None:
    value = header_value(text)
    assert value.isascii()
    assert all(31 < ord(sign) < 127 or sign == "\t" for sign in value)
    assert value == value.strip()
    assert _decoded(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ],
)
def test_header_values_of_the_specification(text: str, value: str) -> None:
    assert header_value(text) == value


def marked(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


def test_arguments_are_mirrored() -> None:
    inner = marked(b={"type": "integer", "x-mcp-header": "B"})
    schema = marked(
        a={"type": "string", "x-mcp-header": "A"}, in_={**inner}, c={"type": "boolean", "x-mcp-header": "C"}
    )
    assert mirrored_headers(schema, {"a": "", "in_": {"b": -7}, "c": True}) == {
        "Mcp-Param-A": header_value(""),
        "Mcp-Param-B": "-7",
        "Mcp-Param-C": "true",
    }
    assert mirrored_headers(schema, {"a": None}) == {}


@pytest.mark.parametrize(
    "schema",
    [
        marked(a={"type": "number", "x-mcp-header": "A"}),
        marked(a={"type": "string", "x-mcp-header": ""}),
        marked(a={"type": "string", "x-mcp-header": "A: b\r\nC"}),
        marked(a={"type": "string", "x-mcp-header": "A"}, b={"type": "string", "x-mcp-header": "a"}),
        marked(a={"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}),
        {"type": "object", "$defs": {"a": {"type": "string", "x-mcp-header": "A"}}},
    ],
    ids=str,
)
def test_annotations_that_are_not_allowed(schema: dict[str, object]) -> None:
    with pytest.raises(ValidationFailed):
        mirrored_headers(schema, {})


@pytest.mark.parametrize(
    "data", [b"", b"{", b"7", b'{"id": {}}', b'{"id": 1, "result": 5}', b"[" * 3_000, b"\xff"]
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ToolFailed):
        messages(data)


def test_batches_and_events() -> None:
    assert [one.id for one in messages(b'[{"jsonrpc": "2.0", "id": 1, "result": {}}, {"method": "m"}]')] == [
        1,
        None,
    ]
    (read_back,) = read(event({"id": 1, "result": {"a": "b\nc"}}))
    assert messages(read_back.data)[0].result == {"a": "b\nc"}


def test_a_damaged_tool_costs_no_other() -> None:
    good = {"name": "a", "inputSchema": {"type": "object"}, "description": None}
    found, cursor = definitions(
        {"tools": [{"name": "x"}, 7, good, {"name": 1, "inputSchema": {}}], "nextCursor": 5}
    )
    assert [(one.name, one.description) for one in found] == [("a", "")]
    assert cursor is None
    with pytest.raises(ToolFailed):
        definitions({"tools": {}})


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}, {"result": "one\ntwo"}),
        ({"content": [{"type": "text", "text": "x"}], "structuredContent": {"a": 1}}, {"result": {"a": 1}}),
        ({"content": [{"type": "image", "data": "AAAA"}]}, {"result": "(image left out)"}),
        ({"content": []}, {"result": "done"}),
        ({"content": "text"}, {"result": "done"}),
        ({"isError": True, "content": [{"type": "text", "text": "no table"}]}, {"detail": "no table"}),
        (
            {"resultType": "input_required", "inputRequests": {}},
            {"error": "f wants more than this call can give it; it did not work."},
        ),
    ],
)
def test_results(result: dict[str, object], expected: dict[str, object]) -> None:
    answered = told(result, "f")
    assert expected.items() <= answered.told.items()
    assert answered.failed == ("error" in answered.told)


def test_results_are_bounded_marked_and_visible() -> None:
    hidden = "a\u200bb\U000e0041\x1b[31mc"
    assert answer.result(hidden, "ok").told == {"result": "ab[31mc", "note": answer.MARK}
    assert answer.result({"a": hidden}, "ok").told["result"] == '{"a":"ab\\u001b[31mc"}'
    long = str(answer.result({"a": "x" * 50_000}, "ok").told["result"])
    assert long.endswith("(cut)")
    assert len(long) < answer.MAX_RESULT + 20
    refused = answer.error("It failed.", "500", said="y" * 5_000)
    assert len(msgspec.json.encode(refused.told)) < 800
