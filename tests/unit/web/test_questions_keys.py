"""Digits on the page "Questions": the page's own script on a played browser, in Node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("questions_keys.mjs")
ONE, TWO, SHOWN = {"key": "1"}, {"key": "2"}, {"shown": True}
ASKED = {"shown": ["q1", "q2"], "before": True}
HELD = {"key": "1", "repeat": True}


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
        ([{"key": "1", "ctrl": True}, {"key": "2", "inside": "input"}, ONE], ["first"]),
        ([{"key": "1", "inside": "dialog"}], []),
        ([ASKED, ONE], ["first"]),
        ([ASKED, {"shown": ["q2"]}, ONE], []),  # the first question is gone under the finger
        ([ASKED, {"shown": ["q2"]}, ONE, {"wait": 800}, TWO], ["second"]),
        ([ASKED, {"shown": ["q1"]}, ONE], ["first"]),  # another one is gone
    ],
)
def test_a_press_answers_once(node: str, steps: list[dict[str, Any]], clicks: list[str]) -> None:
    done = subprocess.run(
        [node, str(SCRIPT)], input=json.dumps(steps), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == clicks
