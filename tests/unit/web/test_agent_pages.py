"""Agents in the console: list, file editor with its faults, versions, differences, restoring; who may what."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls import tools
from app.domain.agent import FUNCTIONS, Agent, TransferTarget
from app.domain.agent_file import written
from app.domain.outside_tool import HttpTool
from app.domain.people import Role
from app.ids import new_id
from app.store import agents, audit
from tests.unit.app.store_world import NOW, TENANT
from tests.unit.web.test_access import OTHER, House, house
from web.agents.view import DiffLine, diff_lines, fault_at, line_of

__all__ = ["house"]
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


def ask(house: House, method: str, path: str, role: Role = Role.MANAGER, tenant: str = TENANT, **form: Any) -> Any:
    return house.ask(method, path, house.cookies[tenant, role], data=form or None)


def made(house: House, **fields: Any) -> Agent:
    agent = Agent(**({"id": new_id(NOW), "tenant_id": TENANT, "name": f"Agent {new_id(NOW)[-6:]}"} | fields))

    async def store() -> Agent:
        return await agents.create(house.db, agent, NOW)

    return house.client.blocking_portal.call(store)


def now(house: House, agent: Agent) -> Agent:
    return house.client.blocking_portal.call(agents.get, house.db, TENANT, agent.id)


def test_the_functions_are_those_of_the_calls() -> None:
    assert FUNCTIONS == tools.NAMES


def test_a_new_agent_begins_with_an_example(house: House) -> None:
    page = ask(house, "GET", "/agents/new?example=appointment").text
    text = re.search(r"<textarea[^>]*>\n(.*)</textarea>", page, re.DOTALL)
    assert text is not None
    file = 'name = "Table for two"\nprompt = "Book a table."\nlanguage = "en"\n'
    answer = ask(house, "POST", "/agents", text=file, version="0")
    assert answer.status_code == 303, answer.text
    shown = ask(house, "GET", answer.headers["location"]).text
    assert "Table for two" in shown
    assert "Book a table." in shown
    again = ask(house, "POST", "/agents", text=file, version="0")
    assert again.status_code == 409
    assert "already" in again.text
    assert "Book a table." in again.text, "what was typed is kept"


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ('name = "X"\nlanguage = "english"\n', 2, "not a language"),
        ('name = "X"\nprompt = "a"\nlangage = "en"\n', 3, "No such key"),
        ('name = "X"\nfeedback_wait_s = 1\n', 2, "&gt;= 5"),
        (
            'name = "X"\n\n[[data_to_fill]]\nname = "a"\n\n[[data_to_fill]]\nname = "b"\ntype = "colour"\n',
            8,
            "Invalid",
        ),
        ('name = "X"\ntools = ["send_dtmf", "fly"]\n', 2, "no function"),
        ('name = "X"\nprompt = "open\n', 2, "no TOML"),
        ('name = " "\n', 1, "needs a name"),
    ],
)
def test_a_fault_is_shown_beside_its_line(house: House, file: str, line: int, said: str) -> None:
    agent = made(house)
    for path in ("/agents", f"/agents/{agent.id}"):
        answer = ask(house, "POST", path, text=file, version="1")
        assert answer.status_code == 422
        assert said in answer.text
        assert f"Line {line}:" in answer.text, re.findall(r"Not saved.*", answer.text)
        assert f'data-line="{line}"' in answer.text
        assert file.splitlines()[0].replace('"', "&#34;") in answer.text, "what was typed is kept"
    assert now(house, agent) == agent


def test_versions_differ_and_come_back(house: House) -> None:
    agent = made(house, prompt="One.", greeting="Hello")
    file = written(agent).replace("One.", "Two.")
    answer = ask(house, "POST", f"/agents/{agent.id}", text=file.replace("\n", "\r\n"), version="1")
    assert answer.status_code == 303
    assert (now(house, agent).prompt, now(house, agent).version) == ("Two.", 2)
    assert ask(house, "POST", f"/agents/{agent.id}", text=file, version="2").status_code == 303
    assert now(house, agent).version == 2, "nothing changed, so there is no third version"
    diff = ask(house, "GET", f"/agents/{agent.id}/versions/2").text
    assert 'class="diff-gone"><code dir="auto">-prompt = &#34;One.&#34;' in diff
    assert 'class="diff-added"><code dir="auto">+prompt = &#34;Two.&#34;' in diff
    assert "first version" in ask(house, "GET", f"/agents/{agent.id}/versions/1").text
    assert ask(house, "GET", f"/agents/{agent.id}/versions/1?before=2").text.count("diff-added") == 1
    assert ask(house, "GET", f"/agents/{agent.id}/versions/3").status_code == 404
    assert ask(house, "POST", f"/agents/{agent.id}/restore", version="1").status_code == 303
    assert (now(house, agent).prompt, now(house, agent).version) == ("One.", 3)
    rows = house.client.blocking_portal.call(audit.newest, house.db, TENANT)
    told = [row for row in rows if row.object == f"agent:{agent.id}"]
    assert [row.action for row in told] == ["agent_restored", "agent_changed"]
    assert '"restored":1' in told[0].detail


def test_nobody_overwrites_what_somebody_else_did(house: House) -> None:
    agent = made(house, prompt="One.")
    mine, theirs = written(agent).replace("One", "Mine"), written(agent).replace("One", "Theirs")
    assert ask(house, "POST", f"/agents/{agent.id}", text=theirs, version="1").status_code == 303
    late = ask(house, "POST", f"/agents/{agent.id}", text=mine, version="1")
    assert late.status_code == 409
    assert "Somebody made version 2 meanwhile" in late.text
    assert "Mine." in late.text
    assert now(house, agent).prompt == "Theirs."
    assert 'name="version" value="2"' in late.text, "who looked may save again"


def test_secrets_and_numbers_are_for_those_who_may(house: House) -> None:
    agent = made(
        house,
        transfer_targets=(TransferTarget(name="Desk", number="+15551000177"),),
        http_tools=(
            HttpTool(name="find", description="x", url="https://a.example", headers={"x-key": "hunter2"}),
        ),
    )
    for role, secret, number in (
        (Role.MANAGER, True, "+15551000177"),
        (Role.OPERATOR, False, "+15551000177"),
        (Role.VIEWER, False, "+1555•••0177"),
    ):
        page = ask(house, "GET", f"/agents/{agent.id}", role).text
        assert ("hunter2" in page) is secret, role
        assert number in page, role
        for path in (f"/agents/{agent.id}/file", f"/agents/{agent.id}/versions/1", "/agents/new"):
            assert ask(house, "GET", path, role).status_code == (200 if secret else 403), (role, path)
    for path in (f"/agents/{agent.id}", f"/agents/{agent.id}/file", f"/agents/{agent.id}/versions/1"):
        assert ask(house, "GET", path, tenant=OTHER).status_code == 404
    assert (
        ask(house, "POST", f"/agents/{agent.id}", tenant=OTHER, text=written(agent), version="1").status_code
        == 404
    )


def test_hostile_words_come_out_as_text(house: House) -> None:
    agent = made(house, name=HOSTILE, prompt=HOSTILE, greeting=HOSTILE)
    changed = written(agent).replace("greeting", "# </textarea><script>\ngreeting")
    pages = [
        ask(house, "GET", "/agents"),
        ask(house, "GET", f"/agents/{agent.id}"),
        ask(house, "POST", f"/agents/{agent.id}", text=changed + "\nbad = 1", version="1"),
        ask(house, "GET", f"/agents/{agent.id}/versions/1"),
    ]
    for page in pages:
        assert "<script>alert" not in page.text
        assert "</textarea><script>" not in page.text
        assert "7*7" in page.text or "49" not in page.text


def test_the_list_goes_on_behind_fifty(house: House) -> None:
    for number in range(52):
        made(house, name=f"many {number:02}")
    first = ask(house, "GET", "/agents?after=many").text
    following = re.search(r'href="(/agents\?after=[^"]+)" rel="next"', first)
    assert following is not None
    second = ask(house, "GET", following[1]).text
    assert "many 49" in first
    assert "many 50" not in first
    assert "many 50" in second


def test_an_agent_with_its_file_is_found_again(house: House) -> None:
    agent = made(house, prompt="Line one.\nLine two.")
    file = ask(house, "GET", f"/agents/{agent.id}/file")
    assert file.text == written(agent)
    assert file.headers["content-disposition"].startswith("attachment")


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20))
def test_no_text_breaks_the_search_for_a_line(text: str, key: str, sentence: str) -> None:
    fault = fault_at(text, sentence, key)
    assert 0 <= fault.line <= len(text.splitlines()) + 1
    assert line_of(text, key) <= len(text.splitlines())


def test_what_did_not_change_is_no_difference() -> None:
    one = Agent(id="a", tenant_id="t", name="A", prompt="x")
    assert diff_lines(one, one) == []
    other = Agent(id="a", tenant_id="t", name="A", prompt="y", version=2)
    assert DiffLine(kind="gone", text='-prompt = "x"') in diff_lines(one, other)
