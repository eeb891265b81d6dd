"""Agents as TOML: a file is complete, strict, and reads back as what was written."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.tools import NAMES
from app.cli.agent import EXAMPLES, read_toml
from app.domain.agent import Agent, Example, TransferTarget
from app.domain.agent_file import KEYS, AgentFileInvalid, read_agent, written
from app.domain.fields import FieldSpec
from app.domain.outside_tool import HttpTool, McpServer
from tests.unit.app.test_cli import run

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORDS = TEXT.filter(bool)
SLUG = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
FIELDS = st.builds(
    FieldSpec, name=SLUG, label=TEXT, help=TEXT, required=st.booleans(), minimum=st.none() | st.floats(-9, 9)
)
AGENTS = st.builds(
    Agent,
    id=st.just("a"),
    tenant_id=st.just("t"),
    name=WORDS.filter(lambda name: bool(name.strip())),
    prompt=TEXT,
    greeting=TEXT,
    language=st.sampled_from(["en", "de", "pt-BR"]),
    opening=st.sampled_from(["greet_first", "wait_for_hello"]),
    tools=st.lists(st.sampled_from(NAMES), unique=True).map(tuple),
    few_shot=st.lists(st.builds(Example, callee=WORDS, agent=WORDS), max_size=2).map(tuple),
    data_to_fill=st.lists(FIELDS, max_size=3, unique_by=lambda one: one.name).map(tuple),
    http_tools=st.lists(
        st.builds(
            HttpTool,
            name=SLUG,
            description=WORDS,
            url=st.just("https://example.org/x"),
            parameters=st.dictionaries(SLUG, TEXT | st.integers(-9, 9) | st.booleans(), max_size=2),
            headers=st.dictionaries(SLUG, TEXT, max_size=2),
        ),
        max_size=2,
        unique_by=lambda one: one.name,
    ).map(tuple),
    mcp=st.lists(
        st.builds(
            McpServer, name=SLUG, url=st.just("https://example.org/mcp"), tools=st.just({"look_up": "a" * 64})
        ),
        max_size=1,
    ).map(tuple),
    s3_file_paths=st.lists(TEXT, max_size=2).map(tuple),
    transfer_targets=st.lists(
        st.builds(TransferTarget, name=WORDS, number=st.just("+12025550100")),
        max_size=2,
        unique_by=lambda one: one.name,
    ).map(tuple),
    max_talk_s=st.none() | st.integers(10, 7200),
    feedback_wait_s=st.integers(5, 600),
)


def read(data: dict[str, Any]) -> Agent:
    return read_agent(data, agent_id="a", tenant_id="t", tools=NAMES)


@given(AGENTS)
def test_what_is_written_reads_back_as_the_same_agent(agent: Agent) -> None:
    assert read(tomllib.loads(written(agent))) == agent


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.stem)
def test_the_examples_are_agents(file: Path) -> None:
    agent = read(read_toml(f"example:{file.stem}"))
    assert agent.prompt
    assert agent.data_to_fill
    assert read(tomllib.loads(written(agent))) == agent
    assert "#" in file.read_text(), "it says what it is for"


def test_there_are_two_examples() -> None:
    assert [file.stem for file in sorted(EXAMPLES.glob("*.toml"))] == ["appointment", "survey"]


FIELD = {"name": "day"}


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"name": "Ann", "promt": "x"}, "promt"),
        ({"name": "Ann", "id": "x"}, "id"),
        ({"name": "Ann", "version": 7}, "version"),
        ({"prompt": "x"}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "Ann", "opening": "later"}, "opening"),
        ({"name": "Ann", "language": "English"}, "language"),
        ({"name": "Ann", "tools": ["end_call", "fly"]}, "tools[1]"),
        ({"name": "Ann", "feedback_wait_s": 1}, "feedback_wait_s"),
        ({"name": "Ann", "max_talk_s": "long"}, "max_talk_s"),
        ({"name": "Ann", "few_shot": [{"callee": "x"}]}, "few_shot[0].agent"),
        ({"name": "Ann", "data_to_fill": [{**FIELD, "typ": "text"}]}, "data_to_fill[0].typ"),
        ({"name": "Ann", "data_to_fill": [{**FIELD, "type": "colour"}]}, "data_to_fill[0].type"),
        ({"name": "Ann", "data_to_fill": [FIELD, FIELD]}, "data_to_fill"),
        ({"name": "Ann", "transfer_targets": [{"name": "Desk", "number": "12"}]}, "transfer_targets[0].number"),
        ({"name": "Ann", "transfer_targets": [{"name": "D", "number": "+12025550100"}] * 2}, "transfer_targets"),
        (
            {"name": "Ann", "http_tools": [{"name": "x", "description": "y", "url": "ftp://z"}]},
            "http_tools[0].url",
        ),
        ({"name": "Ann", "mcp": [{"name": "x", "url": "https://z", "tools": {"t": "short"}}]}, "mcp[0].tools"),
    ],
)
def test_the_sentence_names_the_key(data: dict[str, Any], key: str) -> None:
    with pytest.raises(AgentFileInvalid) as caught:
        read(data)
    assert caught.value.key.startswith(key)
    assert caught.value.message.startswith(f"{key}")


def test_every_field_of_an_agent_has_a_key() -> None:
    assert set(Agent.__struct_fields__) - set(KEYS) == {"id", "tenant_id", "version"}


def test_a_person_keeps_agents_in_files(tmp_path: Path) -> None:
    def opendeep(*words: str) -> dict[str, Any]:
        done = run(tmp_path, "agent", *words, "--simulate", "--json")
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"error": done.stderr}

    assert opendeep("import", "example:appointment")["did"] == "created"
    assert opendeep("import", "example:appointment")["did"] == "unchanged"
    file = tmp_path / "mine.toml"
    file.write_text(run(tmp_path, "agent", "export", "Appointments", "--simulate").stdout)
    assert opendeep("import", "mine.toml")["did"] == "unchanged"
    file.write_text(file.read_text().replace("max_talk_s = 480", "max_talk_s = 400"))
    changed = opendeep("import", "mine.toml")
    assert (changed["did"], changed["agents"][0]["version"]) == ("changed", 2)
    assert [one["version"] for one in opendeep("versions", "Appointments")["versions"]] == [2, 1]
    diff = opendeep("diff", "Appointments", "1", "2")["diff"]
    assert "-max_talk_s = 480\n+max_talk_s = 400\n" in diff
    assert opendeep("diff", "Appointments", "2", "2")["ok"]
    assert opendeep("show", "Appointments", "--version", "1")["agents"][0]["max_talk_s"] == 480
    assert [one["name"] for one in opendeep("list")["agents"]] == ["Appointments"]
    assert "there are 1, 2" in opendeep("diff", "Appointments", "1", "7")["error"]
    assert "there are Appointments" in opendeep("show", "Nobody")["error"]
    assert "There is no file" in opendeep("import", "nothing.toml")["error"]


def test_a_call_names_its_agent(tmp_path: Path) -> None:
    call = ("call", "+15551000017", "--objective", "Say hello", "--simulate", "--json")
    done = run(tmp_path, *call, "--agent", "Survey")
    assert done.returncode == 2
    assert "There is no agent named 'Survey'" in done.stderr
    assert run(tmp_path, "agent", "import", "example:survey", "--simulate").returncode == 0
    done = run(tmp_path, *call, "--agent", "Survey")
    assert json.loads(done.stdout.splitlines()[-1])["call"]["outcome"] == "busy", done.stderr
