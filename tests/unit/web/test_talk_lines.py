"""The order of a living call's lines in the wallboard's panel: that of the store, whatever came first. In Node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("talk_lines.mjs")
SELECT, DUE = {"select": "c1"}, {"due": True}


def words(item: str, speaker: str = "callee", *, final: bool = False) -> dict[str, Any]:
    return {"words": {"item_id": item, "speaker": speaker, "text": item, "final": final}}


def stored(*items: str) -> dict[str, Any]:
    lines = [
        {"item_id": item, "speaker": "agent" if item.startswith("a") else "callee", "text": item, "at": "0:01"}
        for item in items
    ]
    return {"stored": lines}


@pytest.mark.parametrize(
    ("steps", "lines", "asked"),
    [
        ([SELECT, words("c2"), stored("a1", "c1")], ["a1", "c1", "c2"], 0),  # words while the history is read
        ([SELECT, stored("a1"), words("a2", "agent"), words("c1", final=True)], ["a1", "a2", "c1"], 0),
        (  # the transcription of the callee comes after the answer to it
            [SELECT, stored("a1"), words("a2", "agent"), words("c1", final=True), DUE, stored("a1", "c1")],
            ["a1", "c1", "a2"],
            0,
        ),
        (  # many final words, one question
            [SELECT, stored("a1"), *(words(f"c{n}", final=True) for n in range(5)), DUE],
            ["a1", "c0", "c1", "c2", "c3", "c4"],
            1,
        ),
        ([SELECT, stored("a1"), words("a1", "agent")], ["a1"], 0),  # the same line again
    ],
)
def test_lines_stand_as_in_the_store(node: str, steps: list[dict[str, Any]], lines: list[str], asked: int) -> None:
    done = subprocess.run(
        [node, str(SCRIPT)], input=json.dumps(steps), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"lines": lines, "asked": asked}
