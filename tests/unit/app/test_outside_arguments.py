"""What a model writes as arguments of an outside function: checked, and never able to lead anywhere else."""

import time
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from app.bus import MemoryBus
from app.calls.board import Switchboard
from app.clock import ManualClock
from app.domain.argument_schema import ArgumentSchema
from app.domain.outside_tool import (
    HttpTool,
    McpServer,
    check_outside_tools,
    definition_hash,
    environment_of,
    filled_header,
    function_name,
)
from app.domain.url_template import filled, names_in, with_query
from app.errors import ValidationFailed
from app.guarded_http import HostRules
from app.guarded_http.rules import checked
from tests.unit.app.call_world import START, settings

PERSON = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["id"],
    "additionalProperties": False,
}
TEMPLATE = "https://crm.example/people/{id}/notes?v=1"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("42", "/people/42/notes"),
        (42, "/people/42/notes"),
        (True, "/people/true/notes"),
        ("a b", "/people/a%20b/notes"),
        ("a/b", "/people/a%2Fb/notes"),
        ("x?y=1#z", "/people/x%3Fy%3D1%23z/notes"),
        ("%2e%2e", "/people/%252e%252e/notes"),
        ("jürgen@example.org", "/people/j%C3%BCrgen%40example.org/notes"),
        ("...", "/people/.../notes"),
    ],
)
def test_a_value_stands_in_its_segment(value: object, path: str) -> None:
    url = filled(TEMPLATE, {"id": value})
    assert urlsplit(url).path == path
    assert urlsplit(url).query == "v=1"


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "a\\..\\b",
        "a//b",
        "/",
        "a/",
        " .. ",
        "a\nb",
        "\0",
        "x" * 501,
        None,
        ["a"],
        {},
    ],
)
def test_a_value_that_is_no_segment_is_refused(value: object) -> None:
    with pytest.raises(ValidationFailed):
        filled(TEMPLATE, {"id": value})


@given(st.text(max_size=60))
def test_no_text_leaves_its_segment(text: str) -> None:
    try:
        url = filled(TEMPLATE, {"id": text})
    except ValidationFailed:
        return
    assert checked(url, HostRules()).host == "crm.example"
    sent = URL(url)  # as the client sends it
    parts = sent.raw_path.split("/")
    assert (parts[1], len(parts), parts[3], sent.raw_query_string) == ("people", 4, "notes", "v=1")
    assert unquote(parts[2]) == text
    again = unquote(unquote(unquote(sent.raw_path)))  # a proxy that decodes too often, and then takes dots away
    if "%" not in text:
        assert ".." not in again.replace("\\", "/").split("/")


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), st.text(max_size=20), max_size=4
    )
)
def test_a_query_says_what_was_given(arguments: dict[str, str]) -> None:
    try:
        url = with_query("https://crm.example/find?v=1", arguments)
    except UnicodeEncodeError:  # half a character: refused before it is sent
        return
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("v", "1"), *arguments.items()]
    assert urlsplit(url).netloc == "crm.example"


def test_lists_objects_and_null_in_a_query() -> None:
    url = with_query("https://x.example/a", {"tag": ["b", 2], "where": {"c": 1}, "none": None, "yes": False})
    assert urlsplit(url).query == "tag=b&tag=2&where=%7B%22c%22%3A1%7D&yes=false"


@pytest.mark.parametrize(
    "url",
    [
        "https://{host}.example/x",
        "https://x.example/?q={id}",
        "https://x.example/a#{id}",
        "https://x.example/{a b}",
        "https://x.example/{",
        "https://x.example/{}",
    ],
)
def test_places_are_in_the_path_only(url: str) -> None:
    with pytest.raises(ValidationFailed):
        names_in(url)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ('{"age": 3}', "id"),
        ('{"id": "a", "age": -1}', "minimum"),
        ('{"id": "a", "more": 1}', "more"),
        ('{"id": 7}', "string"),
        ("[]", "no JSON object"),
        ('{"id": "a"', "no JSON object"),
        ('{"id": "\\ud800"}', "no JSON object"),
        ('{"id": "' + "x" * 8_000 + '"}', "longer than"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(arguments: str, word: str) -> None:
    with pytest.raises(ValidationFailed, match=word):
        ArgumentSchema(PERSON).read(arguments)


def test_refusals_repeat_no_value() -> None:
    schema = ArgumentSchema({"properties": {"pin": {"type": "string", "pattern": "^[0-9]{4}$"}}})
    with pytest.raises(ValidationFailed) as refused:
        schema.read('{"pin": "canary"}')
    assert "canary" not in refused.value.message
    assert schema.read("") == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "nonsense"},
        {"properties": {"a": {"$ref": "https://evil.example/schema"}}},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"properties": {"a": {"$ref": "#/$defs/none"}}},
        {"properties": {"a": {"pattern": "(?=a)b"}}},
        {"properties": {"a": {"pattern": "(a)\\1"}}},
        {"properties": {"a": {"pattern": "(" * 200}}},
        {"properties": {"a": {"pattern": "((a{1000}){1000}){1000}"}}},
        {"$schema": "https://example.com/own-dialect"},
        {"anyOf": [{"required": ["a"]}]},
        {"properties": {"a": {"description": "x" * 16_000}}},
    ],
    ids=str,
)
def test_schemas_that_no_call_can_use(schema: dict[str, object]) -> None:
    with pytest.raises(ValidationFailed):
        ArgumentSchema(schema)


def test_nothing_is_fetched_for_a_reference(tmp_path: Path) -> None:
    there = tmp_path / "schema.json"
    there.write_text('{"type": "integer"}')
    with pytest.raises(ValidationFailed, match="disabled"):
        ArgumentSchema({"properties": {"a": {"$ref": there.as_uri()}}})


def test_a_pattern_takes_linear_time() -> None:
    schema = ArgumentSchema({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}})
    began = time.perf_counter()
    with pytest.raises(ValidationFailed):
        schema.read('{"a": "' + "a" * 5_000 + '!"}')
    assert time.perf_counter() - began < 1.0


def test_deep_schemas_and_arguments_are_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(3_000):
        deep = {"not": deep}
    with pytest.raises(ValidationFailed):
        ArgumentSchema({"properties": {"a": deep}})
    with pytest.raises(ValidationFailed):
        ArgumentSchema({}).read('{"a":' * 1_200 + "1" + "}" * 1_200)


def test_draft_7_is_read_too() -> None:
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "integer"}}}
    with pytest.raises(ValidationFailed, match="integer"):
        ArgumentSchema(old).read('{"a": "1"}')


def test_a_hash_is_of_what_the_model_is_told() -> None:
    one = definition_hash("a", "b", {"type": "object", "properties": {"x": {}, "y": {}}})
    assert one == definition_hash("a", "b", {"properties": {"y": {}, "x": {}}, "type": "object"})
    assert (
        len({one, definition_hash("a", "b ", {}), definition_hash("ab", "", {}), definition_hash("a", "b", {})})
        == 4
    )


@pytest.mark.parametrize(
    ("server", "tool", "name"),
    [
        ("crm", "find", "crm_find"),
        ("crm", "book.table", "crm_book_table"),
        ("crm", "Büro", "crm_B_ro"),
        ("crm", "x" * 60, "crm_" + "x" * 60),
    ],
)
def test_names_for_the_model(server: str, tool: str, name: str) -> None:
    assert function_name(server, tool) == name


def test_long_names_stay_apart() -> None:
    names = {function_name("crm", "x" * 100 + end) for end in ("a", "b")}
    assert len(names) == 2
    assert all(len(name) == 64 for name in names)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain", "plain"),
        ("env:OPENDEEP_TOOL_K", "secret"),
        ("Bearer env:OPENDEEP_TOOL_K", "Bearer secret"),
        ("env:HOME", None),
        ("env:OPENDEEP_TOOL_NONE", None),
        ("env:OPENDEEP_TOOL_BAD", None),
        ("env:", None),
        ("env:OPENDEEP_TOOL_MINE", "mine"),
        ("env:OPENDEEP_TOOL_THEIRS", None),
    ],
)
def test_headers_from_the_environment(value: str, sent: str | None) -> None:
    environment = {"HOME": "/root", "OPENDEEP_TOOL_K": "secret", "OPENDEEP_TOOL_BAD": "a\r\nX-Other: b"}
    environment |= {"OPENDEEP_TOOL_MINE": "mine", "OPENDEEP_TOOL_MINE_HOSTS": "other.example, crm.example"}
    environment |= {"OPENDEEP_TOOL_THEIRS": "theirs", "OPENDEEP_TOOL_THEIRS_HOSTS": "crm.example.org"}
    assert filled_header(value, "https://CRM.example:443/x", environment) == sent


@pytest.mark.parametrize(
    ("tenant", "has"),
    [("default", {"SITE", "BOTH"}), ("acme", {"BOTH", "ACME"}), ("acm", set()), ("", set()), ("*", set())],
)
def test_a_secret_is_sent_by_agents_of_its_tenants_only(tenant: str, has: set[str]) -> None:
    environment = {f"OPENDEEP_TOOL_{name}": name for name in ("SITE", "BOTH", "ACME")}
    environment |= {"OPENDEEP_TOOL_BOTH_TENANTS": "acme, default", "OPENDEEP_TOOL_ACME_TENANTS": "acme"}
    environment |= {"OPENDEEP_TOOL_ACME_HOSTS": "crm.example"}
    mine = environment_of(tenant, environment)
    sent = {
        name: filled_header(f"env:OPENDEEP_TOOL_{name}", "https://crm.example", mine)
        for name in ("SITE", "BOTH", "ACME")
    }
    assert {name for name, value in sent.items() if value is not None} == has
    assert filled_header("env:OPENDEEP_TOOL_BOTH_TENANTS", "https://crm.example", mine) is None
    assert filled_header("env:OPENDEEP_TOOL_ACME", "https://evil.example", mine) is None


def test_each_tenant_has_a_toolbox_with_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDEEP_TOOL_SITE", "secret")
    board = Switchboard(settings(), ManualClock(START), None, MemoryBus(), None, None)  # type: ignore[arg-type]
    first, other = board.toolbox("default"), board.toolbox("acme")
    assert first.way.environment["OPENDEEP_TOOL_SITE"] == "secret"
    assert "OPENDEEP_TOOL_SITE" not in other.way.environment
    assert board.toolbox("acme") is other
    assert other.way.missing({"x": "env:OPENDEEP_TOOL_SITE"}, "https://crm.example") == "OPENDEEP_TOOL_SITE"


def tool(**changes: object) -> HttpTool:
    values = {"name": "find", "description": "Find.", "url": "https://x.example/{id}", "parameters": PERSON}
    return HttpTool(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tools", "servers", "word"),
    [
        ([tool(), tool()], [], "Two functions"),
        (
            [tool(name="crm_find")],
            [McpServer(name="crm", url="https://x.example", tools={"find": "0" * 64})],
            "Two",
        ),
        (
            [],
            [McpServer(name="a", url="https://x.example"), McpServer(name="a", url="https://y.example")],
            "Two MCP",
        ),
        ([tool(headers={"Host": "other"})], [], "Host"),
        ([tool(headers={"X-A": "b\r\nX-C: d"})], [], "characters"),
        ([tool(headers={"X A": "b"})], [], "cannot be set"),
        ([tool(headers={"X-Key": "env:OPENAI_API_KEY"})], [], "OPENAI_API_KEY"),
        ([], [McpServer(name="a", url="https://x.example", headers={"Mcp-Session-Id": "1"})], "cannot be set"),
        ([tool(url="https://x.example/{other}")], [], "other"),
        ([tool(url="https://x.example/{age}")], [], "required"),
        ([tool(parameters={"type": "string"})], [], "object"),
    ],
)
def test_agents_that_no_call_could_use(tools: list[HttpTool], servers: list[McpServer], word: str) -> None:
    with pytest.raises(ValidationFailed, match=word):
        check_outside_tools(tools, servers)


def test_a_good_agent_is_let_through() -> None:
    headers = {"Authorization": "Bearer env:OPENDEEP_TOOL_CRM", "X-Version": "2"}
    check_outside_tools([tool(headers=headers)], [McpServer(name="b", url="https://x.example", headers=headers)])
