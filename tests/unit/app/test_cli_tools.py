"""`opendeep tools`: what a server offers is shown, pinned by hash and tried, as a person does it."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec
import pytest

from app.config import load_settings, setting_warnings, tool_environment
from app.domain.outside_tool import McpServer, check_outside_tools
from app.errors import ConfigError
from app.outside_tools.answer import visible
from app.sim.tools import SAMPLES, SimTools

pytestmark = pytest.mark.anyio
KEY = "canary-4711"
HEADER = ("--header", "Authorization=Bearer env:OPENDEEP_TOOL_CRM")


@pytest.fixture
async def sim(anyio_backend: str) -> AsyncIterator[SimTools]:
    del anyio_backend
    async with SimTools(key=KEY) as found:
        yield found


async def run(folder: Path, sim: SimTools, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """With the secret in .env, as a person keeps it."""
    settings = f"OPENDEEP_TOOL_CRM={KEY}\nOUTSIDE_TOOL_HOSTS={sim.place}\n"
    (folder / ".env").write_text(settings)
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    env = {**clean, "PYTHONPATH": str(Path(__file__).parents[3])}
    return await anyio.run_process(
        [sys.executable, "-m", "app", "tools", *arguments], cwd=folder, env=env, check=False
    )


@pytest.mark.parametrize("form", ["--json", "--toml", ""])
async def test_pinned_for_an_agent_file(tmp_path: Path, sim: SimTools, form: str) -> None:
    done = await run(tmp_path, sim, "pin", sim.mcp_url, "--name", "crm", *HEADER, *([form] if form else []))
    assert done.returncode == 0, done.stderr
    told = tomllib.loads(done.stdout.decode()) if form == "--toml" else json.loads(done.stdout)
    entry = {"--json": lambda: told["mcp"], "--toml": lambda: told["mcp"][0], "": lambda: told}[form]()
    server = msgspec.convert(entry, McpServer)
    check_outside_tools((), (server,))
    assert (server.name, server.url, server.tools) == ("crm", sim.mcp_url, sim.pins())
    assert KEY.encode() not in done.stdout + done.stderr
    assert b"Which tables are free" in done.stderr
    if form == "--json":
        assert told["tools"][1]["function"] == "crm_book_table"
        assert told["tools"][0]["parameters"] == SAMPLES[0].schema


async def test_only_what_is_wanted(tmp_path: Path, sim: SimTools) -> None:
    done = await run(tmp_path, sim, "pin", sim.mcp_url, "--name", "crm", *HEADER, "--tool", "free_tables")
    assert list(json.loads(done.stdout)["tools"]) == ["free_tables"]
    done = await run(tmp_path, sim, "pin", sim.mcp_url, "--name", "crm", *HEADER, "--tool", "nothing")
    assert (done.returncode, b"has no tool 'nothing'" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (("book.table", '{"date": "2026-12-01"}'), 0, b"number 417"),
        (("book.table", '{"date": "soon"}'), 1, b"Nothing was sent"),
        (("nothing",), 2, b"it has free_tables, book.table"),
    ],
)
async def test_tried(tmp_path: Path, sim: SimTools, arguments: tuple[str, ...], status: int, word: bytes) -> None:
    done = await run(tmp_path, sim, "try", sim.mcp_url, *arguments, *HEADER)
    assert done.returncode == status
    assert word in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--name", "crm"), b"HTTP 401"),
        (("--name", "CRM!"), b"no MCP server"),
        (("--name", "crm", "--header", "Authorization"), b"NAME=VALUE"),
        (("--name", "crm", "--header", "X=env:ARI_PASSWORD"), b"only OPENDEEP_TOOL_"),
        (("--name", "crm", "--header", "X=env:OPENDEEP_TOOL_NONE"), b"is not set"),
    ],
)
async def test_what_cannot_be_done_is_a_sentence(
    tmp_path: Path, sim: SimTools, arguments: tuple[str, ...], word: bytes
) -> None:
    done = await run(tmp_path, sim, "pin", sim.mcp_url, *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_a_description_hides_is_shown() -> None:
    assert visible("a\x1b[2Kb\u200bc\U000e0041ü") == "a\\x1b[2Kb\\u200bc\\U000e0041ü"


def test_secrets_of_functions_are_read_from_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("OPENDEEP_TOOL_A=a\nOPENDEEP_TOOL_B=b\nOPENDEEP_OTHER=c\nHOME=d\n")
    monkeypatch.setenv("OPENDEEP_TOOL_B", "weightier")
    assert tool_environment(tmp_path) == {"OPENDEEP_TOOL_A": "a", "OPENDEEP_TOOL_B": "weightier"}
    (warning,) = setting_warnings(tmp_path)
    assert "OPENDEEP_OTHER" in warning


@pytest.mark.parametrize("hosts", ["crm.office:8080, 10.0.0.5", "[::1]:80", "", "localhost,"])
def test_hosts_that_may_be_private(tmp_path: Path, hosts: str) -> None:
    assert load_settings(tmp_path, {"simulate": True, "outside_tool_hosts": hosts}).outside_tool_hosts == hosts


@pytest.mark.parametrize("hosts", ["https://crm.office", "crm:99999", "crm/x", "user@crm", "[::1", "*", "a b"])
def test_hosts_that_are_none(tmp_path: Path, hosts: str) -> None:
    with pytest.raises(ConfigError, match="OUTSIDE_TOOL_HOSTS"):
        load_settings(tmp_path, {"simulate": True, "outside_tool_hosts": hosts})
