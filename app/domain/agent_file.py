"""A TOML file that describes an agent completely: every key is a field of `Agent`, what is missing is its default.

Reading is strict: a misspelt key must not become no rule. What is written reads back as the same agent. Pure;
called by the command line and the console.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import tomli_w

from app.domain.agent import Agent
from app.domain.fields import check_specs
from app.domain.shape_errors import key_and_problem
from app.errors import ValidationFailed

NOT_WRITTEN = ("id", "tenant_id", "version")
"""Given by the store, not by whoever describes an agent."""
KEYS = tuple(name for name in Agent.__struct_fields__ if name not in NOT_WRITTEN)
MAX_FILE = 200_000
"""Characters of a file, and bytes of an agent: all of it is read for each call."""
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")


class AgentFileInvalid(ValidationFailed):
    """The file describes no agent; `key` says where, like data_to_fill[0].type."""

    code = "agent_file"

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key


def read_agent(data: Mapping[str, Any], *, agent_id: str, tenant_id: str, tools: Sequence[str]) -> Agent:
    """The agent a parsed file describes. `tools` are the functions there are. Raises AgentFileInvalid."""
    for key in data:
        if key not in KEYS:
            raise AgentFileInvalid(key, f"No such key here; there are {', '.join(KEYS)}.")
    try:
        agent = msgspec.convert({**data, "id": agent_id, "tenant_id": tenant_id}, Agent)
    except msgspec.ValidationError as error:
        raise AgentFileInvalid(*key_and_problem(error)) from None
    _check(agent, tools)
    return agent


def written(agent: Agent) -> str:
    """The agent as a TOML file, without what is as it would be anyway. Raises ValidationFailed for a value that
    TOML has no form for (null).
    """
    usual = msgspec.to_builtins(Agent(id="", tenant_id="", name=""))
    fields: dict[str, Any] = msgspec.to_builtins(agent)
    told = {name: fields[name] for name in KEYS if name == "name" or fields[name] != usual[name]}
    plain = {name: value for name, value in told.items() if not _is_tables(value)}
    tables = {name: value for name, value in told.items() if _is_tables(value)}
    many_lines = "\r" not in f"{told}" and "\\r" not in f"{told}"  # they would come back as other line ends
    try:
        return tomli_w.dumps(plain | tables, multiline_strings=many_lines)
    except TypeError:
        raise ValidationFailed(
            f"The agent {agent.name} has a value that a TOML file cannot hold (null)."
        ) from None


def difference(before: Agent, after: Agent) -> str:
    """What changed, as a unified diff of the two files; empty when nothing did."""
    old, new = (written(one).splitlines(keepends=True) for one in (before, after))
    names = [f"{one.name} version {one.version}" for one in (before, after)]
    return "".join(difflib.unified_diff(old, new, names[0], names[1], n=2))


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value)  # pyright: ignore


def _check(agent: Agent, tools: Sequence[str]) -> None:
    if len(msgspec.json.encode(agent)) > MAX_FILE:
        raise AgentFileInvalid("", f"An agent has at most {MAX_FILE} bytes.")
    if not agent.name.strip():
        raise AgentFileInvalid("name", "An agent needs a name.")
    if not _LANGUAGE.fullmatch(agent.language):
        raise AgentFileInvalid("language", f"{agent.language!r} is not a language like en or de.")
    for at, tool in enumerate(agent.tools):
        if tool not in tools:
            raise AgentFileInvalid(f"tools[{at}]", f"There is no function {tool!r}; there are {', '.join(tools)}.")
    try:
        check_specs(agent.data_to_fill)
    except ValidationFailed as error:
        raise AgentFileInvalid("data_to_fill", error.message) from None
    for key, names in (
        ("transfer_targets", [one.name for one in agent.transfer_targets]),
        ("http_tools", [one.name for one in agent.http_tools]),
        ("mcp", [one.name for one in agent.mcp]),
    ):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise AgentFileInvalid(key, f"{twice[0]!r} is there twice.")
