"""What a scraper reads after calls that were made, one that rule forbade, and while the store is away."""

import urllib.request
from pathlib import Path

import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.calls.meter import Meter
from app.domain.task import TaskState
from app.errors import ConfigError
from app.sim.asterisk.personas import busy, polite
from app.store import dnd
from app.store.dnd import DoNotCall
from scripts.lib.faults.tcp import free_port
from tests.flow.rig import TENANT, rig

pytestmark = pytest.mark.anyio
POLITE, BUSY, LISTED = "+15551000001", "+15551000017", "+15551000033"
LABELS = {
    "outcome", "ended_by", "rule", "tool", "verdict", "code", "model", "connection", "at", "le", "version",
    "generation", "implementation", "major", "minor", "patchlevel",
}  # fmt: skip


def scrape(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_scraper_sees_calls_refusals_connections_and_how_things_stand(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with rig(tmp_path, callees={POLITE: polite(), BUSY: busy()}) as house:
        entry = DoNotCall(id="a" * 32, tenant_id=TENANT, number=LISTED, reason="asked", source="operator")
        async with house.db.tx() as tx:
            await dnd.add(tx, entry, house.clock.unix_ms())
        talked = await house.settled(await house.add(POLITE, "polite matter"))
        await house.settled(await house.add(BUSY, "busy matter"))
        refused = await house.settled(await house.add(LISTED, "no matter"))
        assert (talked.state, refused.state) == (TaskState.COMPLETED, TaskState.SUPPRESSED)
        metrics = house.engine.board.metrics
        await Meter(house.engine.board).look()
        with metrics.served("127.0.0.1", port):
            seen = await anyio.to_thread.run_sync(scrape, port)
            with pytest.raises(ConfigError, match="cannot be listened on"), metrics.served("127.0.0.1", port):
                pass
    assert seen["opendeep_calls_ended_total", (("ended_by", "agent"), ("outcome", "completed"))] == 1
    assert seen["opendeep_calls_ended_total", (("ended_by", "callee"), ("outcome", "busy"))] == 1
    assert seen["opendeep_talk_seconds_count", ()] == 1
    assert seen["opendeep_not_dialed_total", (("rule", "do_not_call"),)] == 1
    assert seen["opendeep_claim_lag_seconds_count", ()] == 3
    assert seen["opendeep_turn_seconds_count", ()] >= 1
    assert seen["opendeep_tool_calls_total", (("tool", "end_call"),)] in {1, 2}  # they say goodbye too
    for name in ("ari", "media", "store"):
        assert seen["opendeep_connected", (("connection", name),)] == 1, name
    assert (seen["opendeep_calls_live", ()], seen["opendeep_call_slots", ()]) == (0, 40)
    assert (seen["opendeep_tasks_due", ()], seen["opendeep_unjudged_calls", ()]) == (0, 0)
    assert {name for _, labels in seen for name, _ in labels} <= LABELS, "a label may tell of people"
