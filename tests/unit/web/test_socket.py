"""The page's end of the websocket, in Node: a missing frame, silence, a late reader, and what is read again."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("socket_frames.mjs")
RETRY = {"wait": 1_000}
SILENCE = {"wait": 46_000}
FIRST = ["snapshot 7", "read tasks", "read dnc", "connected"]
"""The page may have changed while it was on its way: what it shows is read again with the first snapshot."""
RESTED = {"wait": 2_000}


def snapshot(seq: int, **more: Any) -> dict[str, Any]:
    return {"type": "snapshot", "seq": seq, **more}


def frame(seq: int, *changed: str, **more: Any) -> dict[str, Any]:
    return {"type": "frame", "seq": seq, "changed": changed, **more}


def play(node: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    done = subprocess.run(
        [node, str(SCRIPT)], input=json.dumps(steps), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("steps", "happened", "sockets"),
    [
        ([snapshot(7), frame(8), frame(9)], [*FIRST, "frame 8", "frame 9"], 1),
        (  # a frame is missing: connected again, a snapshot makes it right, and all is read again
            [snapshot(7), RESTED, frame(9), RETRY, snapshot(20), frame(21)],
            [*FIRST, "lost", "snapshot 20", "read tasks", "read dnc", "connected", "frame 21"],
            2,
        ),
        (  # what still comes from the old connection is not taken
            [
                snapshot(7),
                RESTED,
                {"close": 1006},
                RETRY,
                frame(8, socket=0),
                snapshot(1, socket=0),
                snapshot(9),
                frame(10),
            ],
            [*FIRST, "lost", "snapshot 9", "read tasks", "read dnc", "connected", "frame 10"],
            2,
        ),
        (  # a connection that died without a word
            [snapshot(7), SILENCE, RETRY, snapshot(9)],
            [*FIRST, "lost", "snapshot 9", "read tasks", "read dnc", "connected"],
            2,
        ),
        ([snapshot(7), RESTED, frame(8, "tasks", "x")], [*FIRST, "frame 8", "read tasks"], 1),
        ([snapshot(7), RESTED, frame(8, "*")], [*FIRST, "frame 8", "read tasks", "read dnc"], 1),
        (  # many changes: read at once, and once more after the pause
            [snapshot(7), RESTED, *(frame(n, "tasks") for n in range(8, 12)), {"wait": 2_000}, {"wait": 2_000}],
            [*FIRST, "frame 8", "read tasks", "frame 9", "frame 10", "frame 11", "read tasks"],
            1,
        ),
        (  # a change right after it: read once more after the pause
            [snapshot(7), frame(8, "tasks"), RESTED],
            [*FIRST, "frame 8", "read tasks"],
            1,
        ),
        (  # a reader that comes later gets a snapshot of its own at once
            [snapshot(7), RESTED, {"late": True}, snapshot(8)],
            [*FIRST, "snapshot 8", "late snapshot 8", "read tasks", "read dnc"],
            2,
        ),
        (
            [snapshot(7), {"close": 4401}],
            [*FIRST, "goes /sign-in?following=%2Fhere%3Fa%3D1%26b%3D2", "lost"],
            1,
        ),
        ([{"close": 1006}], ["goes /sign-in?following=%2Fhere%3Fa%3D1%26b%3D2"], 1),
    ],
)
def test_what_comes_of_what_comes(
    node: str, steps: list[dict[str, Any]], happened: list[str], sockets: int
) -> None:
    played = play(node, steps)
    assert played["happened"] == happened
    assert played["sockets"] == sockets
    assert played["open"] <= 1, "one websocket per page"


def test_the_banner_says_that_it_is_old_until_it_is_not(node: str) -> None:
    lost = [snapshot(7), {"close": 1006}]
    assert "what you see may be old" in play(node, lost)["banner"]
    assert play(node, [*lost, RETRY, snapshot(9)])["banner"] == ""
    light = {"connections": [{"name": "ari", "sentence": "Asterisk is not connected."}]}
    assert play(node, [snapshot(7, **light)])["banner"] == "Asterisk is not connected."
