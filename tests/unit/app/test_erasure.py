"""Forgetting people: what names somebody, how long what is kept, what a sweep takes and a hold keeps, and that an
erasure goes on where it stopped. On both databases.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.cli.main import opendeep
from app.clock import ManualClock
from app.config import Settings
from app.domain.erasure import DAY_MS, PSEUDONYMS, Days, Kind, Marks, check_days, in_force, pseudonym
from app.domain.number import DIALLABLE, country_of
from app.domain.plan import AgentBrief, Fact, Origin, Plan, PlannedCall
from app.domain.planning import Attachment, TurnContent
from app.erasure.runner import Eraser
from app.errors import ConflictError, LeaseLost, NotFoundError, ValidationFailed
from app.store import (
    attempts,
    audit,
    calls,
    collected,
    dnd,
    erasures,
    legal_holds,
    recordings,
    retention,
    tasks,
)
from app.store.audit import Deed
from app.store.erasures import Erasure
from app.store.legal_holds import LegalHold
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import NOW, NUMBER, TENANT, add_agent, begun_call, claimed_task, ended, new_task

pytestmark = pytest.mark.anyio
KEY = b"k" * 32
HOUSE = Days(recordings=90, talks=365, chats=365, webhooks=30)
SAID = "Bring the blue folder"


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


class House:
    """An eraser with a clock of its own."""

    def __init__(self, db: AnyDatabase, folder: Path) -> None:
        self.db = db
        self.clock = ManualClock(datetime.fromtimestamp(NOW / 1000, UTC))
        days = {"retention_recordings_days": 90, "retention_talks_days": 365, "retention_chats_days": 365}
        plain = Settings(_env_file=None)  # type: ignore[call-arg]
        self.settings = plain.model_copy(update={"data_dir": folder, **days})
        self.settings.recordings_dir.mkdir(parents=True)
        self.eraser = Eraser(self.settings, db, self.clock)

    async def talked(self, number: str = NUMBER, **changes: object) -> str:
        """A task whose talk is over and was recorded; answers its call."""
        task = await claimed_task(self.db, number, callee_name="Zyra Lee", **changes)
        call = await begun_call(self.db, task)
        async with self.db.tx() as tx:
            await attempts.finish_call(tx, TENANT, ended(call, "completed", answered_ms=NOW, ended_ms=NOW), NOW)
            await tx.execute(
                "UPDATE tasks SET state = 'completed', lease_owner = NULL, lease_until = NULL,"
                " overall_conclusion = :said WHERE id = :id",
                {"said": SAID, "id": task.id},
            )
            await recordings.add(tx, TENANT, call.id, f"{call.id}.wav", 1_000, now_ms=NOW)
        (self.settings.recordings_dir / f"{call.id}.wav").write_bytes(b"sound")
        return call.id

    async def ask(self, number: str = NUMBER) -> Erasure:
        async with self.db.tx() as tx:
            deed = Deed(actor="user:1", action="", object="")
            return await erasures.request(tx, TENANT, number, KEY, deed, now_ms=self.clock.unix_ms())

    async def sweep(self) -> dict[str, int]:
        held = await retention.hold_due(self.db, "me", self.clock.unix_ms())
        return await self.eraser.sweep(held) if held else {}

    def files(self) -> int:
        return len(list(self.settings.recordings_dir.iterdir()))


@pytest.fixture
def house(db: AnyDatabase, tmp_path: Path) -> House:
    return House(db, tmp_path / "data")


# --- what names somebody ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("+12025550123", True),
        ("call 1 (202) 555-0123 now", True),
        ("202.555.0123", True),
        ("2025550123", True),
        ("12025550124", False),
        ("912025550123", False),
        ("20255501234", False),
        ("ZYRA  lee said so", True),
        ("Zyra", False),
        ("Zyra Leeds", False),
    ],
)
def test_a_text_names_somebody_by_number_or_by_two_words(text: str, named: bool) -> None:
    assert Marks(NUMBER, ("Zyra Lee", "Zyra")).in_text(text) is named


def test_a_german_number_is_known_as_it_is_written_at_home() -> None:
    marks = Marks("+493012345678", ())
    assert [marks.in_text(one) for one in ("030 12345678", "0049 30 12345678", "030 12345679")] == [
        True,
        True,
        False,
    ]


def test_of_a_table_the_person_s_line_goes_and_of_a_plan_their_call() -> None:
    marks = Marks(NUMBER, ("Zyra Lee",))
    assert marks.without("Name;Phone\nZyra Lee;1\nBob;2") == "Name;Phone\n[erased]\nBob;2"
    plan = {"title": "A", "calls": [{"number": NUMBER, "objective": "x"}, {"number": "+12025550199"}], "n": 3}
    found = msgspec.json.decode(marks.without_json(msgspec.json.encode(plan).decode()))
    assert found == {"title": "A", "calls": [{"number": "+12025550199"}], "n": 3}
    inner = msgspec.json.encode({"told": msgspec.json.encode({"name": "Zyra Lee", "other": 1}).decode()}).decode()
    assert msgspec.json.decode(marks.without_json(inner)) == {"told": '{"name":"[erased]","other":1}'}


def test_a_plan_for_several_people_is_still_a_plan_without_one_of_them() -> None:
    def call(name: str, number: str) -> PlannedCall:
        return PlannedCall(
            callee_name=name, number=number, objective=f"Ask {name}.", first_ms=1, until_ms=None, zone="",
            callee_kind="person", origin=Origin(kind="user", ref="your message 1"),
        )  # fmt: skip

    plan = Plan(
        title="Two", purpose="service", agent=AgentBrief(language="en", purpose="Ask.", opening_line="Hello."),
        facts=(Fact(statement="Zyra Lee wants Tuesday.", origin=Origin(kind="user", ref="your message 1")),),
        fields=(), calls=(call("Zyra Lee", NUMBER), call("Bob Ray", "+12025550199")),
    )  # fmt: skip
    turn = TurnContent(
        plan_id="p", plan=plan, tables=(Attachment(name="t.csv", text=f"A;B\nZyra;{NUMBER}\nBob;2"),)
    )
    left = Marks(NUMBER, ("Zyra Lee",)).without_json(msgspec.json.encode(turn).decode())
    after = msgspec.json.decode(left, type=TurnContent)
    assert after.plan is not None
    assert [one.callee_name for one in after.plan.calls] == ["Bob Ray"]
    assert (after.plan.facts[0].statement, after.tables[0].text) == ("[erased]", "A;B\n[erased]\nBob;2")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.just(f"to {NUMBER}"),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_nothing_that_names_the_person_is_left_in_any_json(value: object) -> None:
    marks = Marks(NUMBER, ("Zyra Lee",))
    text = msgspec.json.encode(value).decode()
    left = marks.without_json(text)
    assert NUMBER not in left
    if NUMBER not in text:
        assert left == text


@given(st.binary(min_size=1), st.integers(10**7, 10**14))
def test_a_pseudonym_is_shaped_like_a_number_and_rings_nowhere(key: bytes, digits: int) -> None:
    one = pseudonym(key, TENANT, f"+{digits}")
    assert DIALLABLE.match(one) is not None
    assert (one == pseudonym(key, TENANT, f"+{digits}"), one == pseudonym(key, "other", f"+{digits}")) == (
        True,
        False,
    )
    assert one.startswith(PSEUDONYMS)
    assert country_of(one) == ""


def test_a_tenant_shortens_what_the_house_allows_and_never_prolongs_it() -> None:
    check_days(HOUSE, Days(talks=365, webhooks=1))
    for days in (Days(talks=366), Days(recordings=0)):
        with pytest.raises(ValidationFailed, match="between 1 and"):
            check_days(HOUSE, days)
    assert in_force(HOUSE, Days(talks=7, recordings=500)) == {
        Kind.RECORDINGS: 90, Kind.TALKS: 7, Kind.CHATS: 365, Kind.WEBHOOKS: 30,
    }  # fmt: skip


# --- what is too old ----------------------------------------------------------------------------------------
async def test_recordings_go_first_then_what_was_said_and_facts_stay(house: House) -> None:
    call_id = await house.talked()
    assert await house.sweep() == {}
    house.clock.advance(91 * 86_400)
    assert await house.sweep() == {"recordings": 1}
    assert house.files() == 0
    call = await calls.get(house.db, TENANT, call_id)
    assert (call.recording_path, call.number_dialed) == (None, NUMBER)
    house.clock.advance(300 * 86_400)
    assert "tasks" in await house.sweep()
    after = await calls.get(house.db, TENANT, call_id)
    assert (after.outcome, after.ended_ms, after.cost_micro_usd) == (
        call.outcome,
        call.ended_ms,
        call.cost_micro_usd,
    )
    task = await tasks.get(house.db, TENANT, call.task_id)
    assert (task.overall_conclusion, task.callee_name, task.number) == ("", "", after.number_dialed)
    assert task.number.startswith(PSEUDONYMS)
    assert await house.sweep() == {}


@pytest.mark.parametrize("kind", ["call", "campaign", "recipient"])
async def test_what_is_held_stays_until_the_hold_is_lifted(house: House, kind: legal_holds.Held) -> None:
    call_id = await house.talked()
    task_id = (await calls.get(house.db, TENANT, call_id)).task_id
    campaign = "INSERT INTO campaigns (id, tenant_id, name, state, created_ms, updated_ms) VALUES "
    await house.db.execute(f"{campaign}('c', 'default', 'C', 'active', 0, 0)")
    await house.db.execute("UPDATE tasks SET campaign_id = 'c' WHERE id = :id", {"id": task_id})
    subject = {"call": call_id, "campaign": "c", "recipient": "+1 202 555 0123"}[kind]
    new = LegalHold(
        id="", tenant_id=TENANT, kind=kind, subject=subject, reason="case 7", placed_by="u", since_ms=0
    )
    async with house.db.tx() as tx:
        hold = await legal_holds.place(tx, new, NOW)
        assert await legal_holds.place(tx, new, NOW) == hold
        with pytest.raises(NotFoundError):
            await legal_holds.place(tx, msgspec.structs.replace(new, kind="call", subject="nobody's"), NOW)
    house.clock.advance(400 * 86_400)
    assert await house.sweep() == {}
    with pytest.raises(ConflictError, match="legal hold"):
        await house.ask()
    assert not await dnd.is_listed(house.db, TENANT, [NUMBER])
    async with house.db.tx() as tx:
        await legal_holds.lift(tx, TENANT, hold.id, "u", house.clock.unix_ms())
    house.clock.advance(3_601)
    assert {"recordings", "tasks"} <= (await house.sweep()).keys()


async def test_what_is_open_is_not_swept_and_one_process_sweeps(house: House) -> None:
    await claimed_task(house.db)
    house.clock.advance(400 * 86_400)
    now_ms = house.clock.unix_ms()
    held = await retention.hold_due(house.db, "one", now_ms)
    assert held is not None
    assert await retention.hold_due(house.db, "two", now_ms) is None
    house.clock.advance(120)
    other = await retention.hold_due(house.db, "two", house.clock.unix_ms())
    assert other is not None
    async with house.db.tx() as tx:
        with pytest.raises(LeaseLost):
            await retention.renew(tx, held, now_ms)
    assert await house.eraser.sweep(held) == {}
    assert await house.eraser.sweep(other) == {}


async def test_the_forecast_is_what_the_sweep_takes(house: House) -> None:
    for n in range(3):
        await house.talked(f"+1202555014{n}")
    cutoffs = dict.fromkeys(Kind, NOW + DAY_MS)
    due = await retention.due(house.db, TENANT, cutoffs)
    assert (due["recordings"], due["tasks"]) == (3, 3)
    await retention.set_days(house.db, TENANT, Days(talks=1, recordings=1), NOW)
    house.clock.advance(2 * 86_400)
    assert "tasks" not in await house.sweep(), "calling rules look back further"
    house.clock.advance(59 * 86_400)
    await retention.set_days(house.db, TENANT, Days(talks=1, recordings=1), NOW)
    swept = await house.sweep()
    assert swept["tasks"] == 3
    terms = await retention.terms(house.db, TENANT)
    assert (terms.counted, terms.days.talks) == (swept, 1)


# --- forgetting somebody ----------------------------------------------------------------------------------------
async def test_who_is_forgotten_is_never_dialed_and_only_facts_are_left(house: House) -> None:
    call_id = await house.talked()
    other = await house.talked("+12025550199")
    waiting = await tasks.create(house.db, TENANT, new_task(callee_name="Zyra Lee"), NOW)
    one = await house.ask()
    assert (await house.ask()).id == one.id
    assert (await tasks.get(house.db, TENANT, waiting.id)).state == "suppressed"
    done = await house.eraser.finish(TENANT, one.id)
    assert (done.state, done.number, done.names) == ("done", one.pseudonym, "[]")
    assert (house.files(), await dnd.is_listed(house.db, TENANT, [NUMBER])) == (1, True)
    for task_id in ((await calls.get(house.db, TENANT, call_id)).task_id, waiting.id):
        task = await tasks.get(house.db, TENANT, task_id)
        assert (task.number, task.callee_name, task.objective) == (one.pseudonym, "", "[erased]")
    assert (await calls.get(house.db, TENANT, other)).number_dialed == "+12025550199"
    entries = await audit.newest(house.db, TENANT)
    assert [(row.action, row.actor) for row in entries][:2] == [
        ("person_erased", "user:1"), ("erasure_requested", "user:1"),
    ]  # fmt: skip
    assert not any(NUMBER in row.detail or "Zyra" in row.detail for row in entries)
    assert msgspec.json.decode(entries[0].detail)["tasks"] == 2
    assert (await house.ask()).id != one.id  # it can be asked again


async def test_one_that_stopped_goes_on_elsewhere_and_the_first_can_do_nothing_more(house: House) -> None:
    for n in range(12):
        await house.talked(objective=f"Talk {n}.")
    one = await house.ask()
    first = await erasures.hold(house.db, "one", NOW)
    assert first is not None
    begun = await house.eraser.step(first)
    assert (begun.step, begun.counted["tasks"]) == ("tasks", 10)
    assert await erasures.hold(house.db, "two", NOW) is None
    house.clock.advance(31)
    done = await house.eraser.finish(TENANT, one.id)
    assert (done.state, done.counted["tasks"]) == ("done", 12)
    async with house.db.tx() as tx:
        with pytest.raises(LeaseLost):
            await erasures.save(tx, begun)


async def test_a_call_that_goes_on_is_waited_for(house: House) -> None:
    done_call = await house.talked()
    call = await begun_call(house.db, await claimed_task(house.db))
    async with house.db.tx() as tx:
        await tx.execute("UPDATE tasks SET state = 'in_call' WHERE id = :id", {"id": call.task_id})
    one = await house.ask()
    waits = await house.eraser.finish(TENANT, one.id)
    assert (waits.state, waits.waits_for, waits.lease_owner) == ("open", 1, None)
    assert (await calls.get(house.db, TENANT, done_call)).number_dialed == one.pseudonym
    assert (await calls.get(house.db, TENANT, call.id)).number_dialed == NUMBER
    async with house.db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call, "completed", ended_ms=NOW), NOW)
        await tx.execute(
            "UPDATE tasks SET state = 'pending', lease_owner = NULL, lease_until = NULL WHERE id = :id",
            {"id": call.task_id},
        )
    house.clock.advance(6)
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert (await tasks.get(house.db, TENANT, call.task_id)).state == "suppressed"
    assert await collected.of_call(house.db, TENANT, call.id) == []


async def test_another_engine_s_recording_waits_for_that_engine(house: House) -> None:
    call_id = await house.talked()
    await house.db.execute("UPDATE calls SET node = 'elsewhere'")
    (house.settings.recordings_dir / f"{call_id}.wav").unlink()
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert await house.db.fetch("SELECT node FROM file_removals") == [("elsewhere",)]
    (house.settings.recordings_dir / f"{call_id}.1.wav").write_bytes(b"a leg that never said that it ended")
    await house.eraser.look()
    assert (house.files(), await house.db.fetch("SELECT node FROM file_removals")) == (0, [])


def test_the_command_asks_for_the_number_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    ask = CliRunner().invoke
    assert ask(opendeep, ["erase", NUMBER, "--simulate"], input="+12025550124\n").exit_code == 1
    assert ask(opendeep, ["erase", NUMBER, "--simulate", "--json"]).exit_code == 1
    look = ask(opendeep, ["erase", NUMBER, "--simulate", "--dry-run", "--json"])
    assert msgspec.json.decode(look.stdout.splitlines()[-1])["state"] == "nothing was changed"
    done = ask(opendeep, ["erase", NUMBER, "--simulate", "--json", "--yes"])
    answer = msgspec.json.decode(done.stdout.splitlines()[-1])
    assert (done.exit_code, answer["state"], answer["ok"], NUMBER in done.stdout) == (0, "done", True, False)
    assert ask(opendeep, ["erase", NUMBER, "--simulate", "--tenant", "nobody", "--yes"]).exit_code == 1
