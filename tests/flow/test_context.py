"""Whole calls with their context: documents and preferences reach the model, what is missing is told, and the next
call to the same person knows this one.
"""

from pathlib import Path

import msgspec
import pytest

from app.domain.recipient import Recipient
from app.domain.task import TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring
from app.sim.realtime.brain import Step
from app.store import agents, recipients
from tests.flow.rig import AGENTS, BYE, TENANT, Rig, rig

pytestmark = pytest.mark.anyio
NUMBER = "+15551000071"
OTHER = "+15551000072"
LISTENS = CalleeScript((Ring(0.05), Answer(0.05)))


def told_before(house: Rig, key: str) -> str:
    """The notes a model session was given beside its instructions."""
    (session,) = [one for one in house.realtime.sessions if key in one.instructions]
    return "\n".join(item.text for item in session.conversation.items if item.role == "system")


async def test_a_call_knows_documents_preferences_and_the_talks_before_it(tmp_path: Path) -> None:
    folder = tmp_path / "documents" / TENANT
    folder.mkdir(parents=True)
    (folder / "menu.md").write_text("Soup is 5 euros.\n")
    async with rig(tmp_path, callees={NUMBER: LISTENS, OTHER: LISTENS}, no_input_s=0.4) as house:
        agent = msgspec.structs.replace(AGENTS["greet_first"], s3_file_paths=("menu.md", "gone.pdf"))
        await agents.update(house.db, agent, 1)
        await recipients.put(house.db, Recipient(tenant_id=TENANT, number=NUMBER, preferences="Speak slowly."))
        for key in ("first", "second", "third"):
            house.think(key, Step(say="hello"), otherwise=BYE)
        first = await house.add(NUMBER, "first matter")
        assert (await house.settled(first)).state is TaskState.COMPLETED
        second = await house.add(NUMBER, "second matter")
        await house.settled(second)
        third = await house.add(OTHER, "third matter")
        await house.settled(third)

        sessions = [await house.session(f"achieve:\n{key}") for key in ("first", "second", "third")]
        one, two, three = [session.instructions for session in sessions]
        assert 'Document "menu.md":\n| Soup is 5 euros.' in one
        assert "| Speak slowly." in one
        assert "| Speak slowly." not in three
        shared = one.index("It is ")
        assert one[:shared] == two[:shared] == three[:shared], "what the model's cache can serve"
        (missing,) = await house.events(await house.call(first), "document_missing")
        assert "gone.pdf" in str(missing.data["detail"])

        assert "Conversations before" not in told_before(house, "achieve:\nfirst")
        assert 'we called about "first matter", completed' in told_before(house, "achieve:\nsecond")
        assert "Conversations before" not in told_before(house, "achieve:\nthird"), "nothing of another number"
