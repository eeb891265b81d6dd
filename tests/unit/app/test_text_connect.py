"""A living call never waits for the SDK: what it loads late is loaded when the connection opens."""

import subprocess
import sys

import pytest

SCRIPT = """
import asyncio, sys
from app.config import load_settings
from app.llm.connect import text_model
from app.llm.model import Ask, Message
from app.sim.text import Route, ScriptedMind, SimText, TextAnswer

async def main():
    mind = ScriptedMind([TextAnswer(text="yes"), TextAnswer(text="yes")])
    async with SimText(routes=[Route(mind=mind)]) as sim:
        settings = load_settings(overrides=dict(
            text_api=sys.argv[1], text_base_url=sim.base_url, text_api_key="k", simulate=True))
        async with text_model(settings) as model:
            before = set(sys.modules)
            ask = Ask(model="gpt-6-luna", instructions="Judge.", items=(Message("user", "well?"),), timeout_s=5.0)
            await model.ask(ask)
            pieces = [piece async for piece in model.stream(ask)]
            assert pieces
            print(sorted(name for name in set(sys.modules) - before if name.startswith("openai")))

asyncio.run(main())
"""


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_the_first_question_loads_nothing_any_more(api: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, api], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
