"""Pure: an agent as its pages show it, and where in a file a fault is."""

import re
import shlex
from typing import Literal

import msgspec

from app.domain.agent import Agent
from app.domain.agent_file import difference
from app.domain.outside_tool import function_name
from app.domain.people import Person
from web.view import shown_number

_SIGNS: dict[str, Literal["added", "gone", "place"]] = {"+": "added", "-": "gone", "@": "place"}
_STEP = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")
_TOML_LINE = re.compile(r"at line (\d+)")


class DiffLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what changed; the sign stands in the text too, so that colour says nothing alone."""

    kind: Literal["added", "gone", "place", "same"]
    text: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file is not taken. `line` counts from 1, 0: not known; `excerpt` is that line."""

    sentence: str
    line: int = 0
    excerpt: str = ""


def diff_lines(before: Agent, after: Agent) -> list[DiffLine]:
    """What changed, without the two headings."""
    text = difference(before, after).splitlines()[2:]
    return [DiffLine(kind=_SIGNS.get(line[:1], "same"), text=line) for line in text]


def functions(agent: Agent) -> list[str]:
    """Every function by name: ours, HTTP, MCP."""
    own = [tool.name for tool in agent.http_tools]
    return [*agent.tools, *own, *(function_name(one.name, tool) for one in agent.mcp for tool in one.tools)]


def transfers(person: Person, agent: Agent) -> list[str]:
    """Whom a call may be handed to, with numbers as this person may see them."""
    return [f"{one.name} ({shown_number(person, one.number)}, {one.mode})" for one in agent.transfer_targets]


def trial_command(agent: Agent) -> str:
    """What rehearses this agent on a simulated callee, from a shell."""
    name = shlex.quote(agent.name)
    return f"opendeep call +15551000001 --simulate --agent {name} --objective 'Ask whether Friday suits.'"


def fault_at(text: str, sentence: str, key: str = "") -> Fault:
    """The fault with its line: of the key that a check names, or that the reader of TOML names."""
    found = _TOML_LINE.search(sentence)
    line = int(found[1]) if found and not key else line_of(text, key)
    lines = text.splitlines()
    return Fault(sentence=sentence, line=line, excerpt=lines[line - 1][:200] if 0 < line <= len(lines) else "")


def line_of(text: str, key: str) -> int:
    """Where a key like `data_to_fill[1].type` stands in a TOML file, as near as it can be found; 0: nowhere."""
    lines, at = text.splitlines(), 0
    for name, index in _STEP.findall(key):
        table = re.compile(rf"\s*\[\[?\s*(?:\w+\.)*{name}\s*\]")
        value = re.compile(rf"\s*(?:[\w.]+\.)?{name}\s*=")
        skip = int(index or 0)
        for number in range(at, len(lines)):
            if table.match(lines[number]):
                if skip == 0:
                    at = number
                    break
                skip -= 1
            elif value.match(lines[number]):
                at = number
                break
        else:
            break
        at += 1
    return at
