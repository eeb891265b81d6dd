"""Prints the state diagrams of ARCHITECTURE.md from the transition tables in the code.

    python scripts/lib/diagrams.py            print them
    python scripts/lib/diagrams.py --write    put them between the markers of ARCHITECTURE.md

`tests/unit/test_architecture.py` fails when the file is stale.
"""

import sys
from collections.abc import ItemsView
from enum import StrEnum
from pathlib import Path

from app.calls import conversation
from app.domain import task
from media.realtime import session_model
from stasis import call_model, transfer_model

ARCHITECTURE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"
BEGIN, END = "<!-- diagrams: begin -->", "<!-- diagrams: end -->"

TABLES: dict[str, ItemsView[StrEnum, frozenset[StrEnum]]] = {
    "Task (`app/domain/task.py`)": task.TRANSITIONS.items(),
    "Call on ARI (`stasis/call.py`)": call_model.TRANSITIONS.items(),
    "Transfer (`stasis/transfer.py`)": transfer_model.TRANSITIONS.items(),
    "Talk (`app/calls/conversation.py`)": conversation.TRANSITIONS.items(),
    "Realtime session (`media/realtime/session.py`)": session_model.TRANSITIONS.items(),
}


def diagram(title: str, table: ItemsView[StrEnum, frozenset[StrEnum]]) -> str:
    """One table as a mermaid state diagram; states without a way out end the life."""
    lines = [f"### {title}", "", "```mermaid", "stateDiagram-v2"]
    first, _ = next(iter(table))
    lines.append(f"    [*] --> {first}")
    for state, targets in table:
        lines += [f"    {state} --> {target}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def all_diagrams() -> str:
    """Every diagram, in the order of a call's life."""
    return "\n\n".join(diagram(title, table) for title, table in TABLES.items())


def inserted(text: str) -> str:
    """ARCHITECTURE.md with its diagrams replaced by those of the code."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{all_diagrams()}\n\n{END}{tail}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        ARCHITECTURE.write_text(inserted(ARCHITECTURE.read_text()))
    else:
        print(all_diagrams())
