"""What a command means in each moment of a talk, and the desk that carries commands between table and call."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.bus import MemoryBus
from app.calls.board import CallOrder, Switchboard
from app.calls.closing import Inherited
from app.calls.commands import INTERRUPTED, CommandDesk, Ordered
from app.calls.conversation import Conversation, Note, TalkLimits, TalkState, ToMedia, WantHangUp
from app.calls.orders import ENDING, NOT_ANSWERED, SAY_AGAIN_LATER, carry_out
from app.calls.talk_model import PressKeys
from app.calls.tools import Offer
from app.clock import ManualClock
from app.config import Settings
from app.domain import command as cmd
from app.domain.command import Command, CommandKind, CommandState, Verdict, wake_up
from app.domain.messages import CallChanged, command_topic
from app.errors import DatabaseBusy
from app.store import commands
from app.store.sqlite import SqliteDatabase
from media import protocol as media
from stasis.outcome import EndedBy
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.heard_out import heard_out
from tests.unit.app.store_world import AGENT, NOW, TENANT, add_agent, begun_call, claimed_task, new_call

KEY = b"k" * 32
IN_TALK = [
    cmd.SendDtmf(digits="1"),
    cmd.Hold(),
    cmd.Unhold(),
    cmd.Mute(),
    cmd.Unmute(),
    cmd.Say(text="x"),
    cmd.Whisper(text="x"),
]
ALL = [
    *IN_TALK,
    cmd.EndCall(),
    cmd.EndCall(polite=False),
    cmd.Reschedule(),
    cmd.Transfer(target="x"),
    cmd.TakeOver(mic="mic-of-a-page"),
    cmd.HandBack(),
]


def talking() -> Conversation:
    talk = Conversation("c1", TalkLimits())
    talk.answered(100.0)
    return talk


def to_media(effects: Any) -> list[media.Command]:
    return [effect.command for effect in effects if isinstance(effect, ToMedia)]


@pytest.mark.parametrize("payload", IN_TALK, ids=lambda p: type(p).__name__)
def test_what_needs_a_talk_is_refused_before_and_after_it(payload: cmd.Payload) -> None:
    waiting = carry_out(Conversation("c1", TalkLimits()), payload, 1.0)
    assert (waiting.refused, waiting.sentence, waiting.effects) == (True, NOT_ANSWERED, ())
    talk = talking()
    talk.close(EndedBy.OPERATOR, "stop", 101.0)
    closing = carry_out(talk, payload, 102.0)
    assert (closing.refused, closing.sentence, closing.effects) == (True, ENDING, ())


def test_every_command_of_a_talk_has_an_answer() -> None:
    assert {type(payload) for payload in ALL} == set(cmd.PAYLOADS.values())
    for payload in ALL:
        done = carry_out(talking(), payload, 101.0)
        assert done.sentence or done.keys
        assert done.refused == isinstance(payload, cmd.HandBack)
        assert not (done.refused and done.effects)


def test_keys_are_pressed_while_nothing_is_said() -> None:
    done = carry_out(talking(), cmd.SendDtmf(digits="12w"), 101.0)
    assert done.keys == "12w"
    (hold,) = to_media(done.effects)
    assert isinstance(hold, media.HoldPlayout)
    assert hold.duration_ms >= 2 * 240 + 500


def test_a_polite_end_says_goodbye_and_a_plain_one_does_not() -> None:
    talk = talking()
    assert to_media(carry_out(talk, cmd.EndCall(), 101.0).effects)
    assert talk.state is TalkState.CLOSING
    plain = carry_out(talk, cmd.EndCall(polite=False, reason="now"), 102.0)
    assert plain.effects == (WantHangUp(EndedBy.OPERATOR, "now"),)
    early = carry_out(Conversation("c1", TalkLimits()), cmd.EndCall(reason="no"), 1.0)
    assert early.effects == (WantHangUp(EndedBy.OPERATOR, "no"),)


def test_a_reschedule_is_noted_and_announced() -> None:
    note, closing, say = carry_out(talking(), cmd.Reschedule(wished_ms=7), 101.0).effects
    assert isinstance(note, Note)
    assert isinstance(closing, Note)
    assert (note.kind, note.detail) == ("reschedule_wished", '{"wished_ms":7,"reason":""}')
    assert isinstance(say, ToMedia)
    assert say.command == media.Say(call_id="c1", instructions=SAY_AGAIN_LATER)


def test_a_muted_talk_asks_nobody_whether_they_are_there() -> None:
    talk = talking()
    (mute,) = to_media(carry_out(talk, cmd.Hold(), 101.0).effects)
    assert mute == media.Mute(call_id="c1", agent=True, callee=True)
    assert talk.next_deadline == 100.0 + TalkLimits().max_talk_s
    assert talk.tick(200.0) == []
    opened, told = to_media(carry_out(talk, cmd.Unhold(), 300.0).effects)
    assert opened == media.Mute(call_id="c1", agent=False, callee=False)
    assert isinstance(told, media.InjectText)
    assert told.respond
    assert talk.next_deadline == 300.0 + TalkLimits().no_input_s
    assert carry_out(talk, cmd.Unmute(), 301.0).effects == ()


OF_CALL: dict[str, Any] = {"seq": 1, "call_id": "c1", "at_unix_ms": 1}
SPEAKS = media.AgentSpeaking(
    **OF_CALL, item_id="i", response_to_first_delta_ms=1, first_delta_to_rtp_ms=1, speech_stop_to_rtp_ms=None
)
LEFT = media.OperatorLeft(**OF_CALL, why="handed_back", spoke_ms=1)


def taken() -> Conversation:
    talk = talking()
    (seat,) = to_media(carry_out(talk, cmd.TakeOver(mic="mic-of-a-page"), 101.0).effects)
    assert isinstance(seat, media.TakeOver)
    assert "{words}" in seat.told_back
    assert "{words}" in seat.told_lost
    assert (talk.state, talk.operator.mic) == (TalkState.TAKEN, "mic-of-a-page")
    return talk


@pytest.mark.parametrize("payload", ALL, ids=lambda p: type(p).__name__)
def test_while_a_person_has_the_call_only_they_and_hanging_up_count(payload: cmd.Payload) -> None:
    done = carry_out(taken(), payload, 102.0)
    assert done.refused == (not isinstance(payload, cmd.HandBack | cmd.EndCall)), done.sentence
    if isinstance(payload, cmd.EndCall):
        assert done.effects == (WantHangUp(EndedBy.OPERATOR, "an operator ended the call"),)


def test_the_agent_goes_on_when_the_person_has_left_and_nobody_is_let_in_any_more() -> None:
    talk = taken()
    assert talk.next_deadline is None, "nobody is asked whether they are still there"
    assert talk.tick(500.0) == []
    assert to_media(carry_out(talk, cmd.HandBack(), 102.0).effects) == [media.HandBack(call_id="c1")]
    assert (talk.state, talk.operator.mic) == (TalkState.TAKEN, ""), "the last words are still written down"
    assert talk.handle(LEFT, 103.0) == []
    assert (talk.state, talk.next_deadline) == (TalkState.TALKING, 103.0 + TalkLimits().no_input_s)
    assert talk.handle(LEFT, 104.0) == []
    assert carry_out(talk, cmd.HandBack(), 105.0).refused


def test_an_agent_that_is_gone_ends_the_call_with_the_person() -> None:
    talk = taken()
    gone = media.LegFailed(**OF_CALL, code="gone", message="no model", fatal=False)
    assert [type(one) for one in talk.handle(gone, 102.0)] == [Note]
    assert talk.handle(LEFT, 103.0) == [WantHangUp(EndedBy.SYSTEM_FAILURE, "gone: no model")]


def test_a_person_goes_on_speaking_by_another_media_worker() -> None:
    talk = taken()
    talk.media_gone()
    assert [type(one) for one in to_media(talk.media_back(102.0))] == [media.TakeOver]
    adopted = Conversation("c1", TalkLimits()).resumed(1.0, Inherited())
    assert to_media(adopted)[0] == media.HandBack(call_id="c1"), (
        "whoever had taken over went with the former process"
    )


def test_keys_the_agent_wanted_to_press_are_not_pressed_in_a_persons_words() -> None:
    talk = Conversation("c1", TalkLimits(), Offer(tools=("send_dtmf",)))
    talk.answered(100.0)
    talk.handle(media.TurnPartial(**OF_CALL, speaker="agent", item_id="i", text="Hello"), 100.2)
    called = media.ToolCalled(**OF_CALL, tool_call_id="t", name="send_dtmf", arguments='{"digits":"1"}')
    assert [type(one) for one in talk.handle(called, 100.5)] == [Note], "they wait for the words before them"
    taken_now = carry_out(talk, cmd.TakeOver(mic="mic-of-a-page"), 101.0).effects
    (told,) = [one for one in to_media(taken_now) if isinstance(one, media.ToolOutput)]
    assert (told.tool_call_id, told.respond) == ("t", False)
    assert "Not pressed" in told.output
    for report in (
        media.BargeIn(**OF_CALL, item_id="i", heard_ms=1, generated_ms=1),
        media.PlayoutDrained(**OF_CALL, item_id="i"),
    ):
        assert talk.handle(report, 102.0) == []
    assert talk.handle(LEFT, 103.0) == []
    assert not [one for one in talk.tick(130.0) if isinstance(one, PressKeys)]


def test_a_persons_time_does_not_count_as_the_agents() -> None:
    talk = Conversation("c1", TalkLimits(max_talk_s=60.0))
    talk.answered(100.0)
    carry_out(talk, cmd.TakeOver(mic="mic-of-a-page"), 110.0)
    talk.handle(LEFT, 400.0)
    talk.mute(400.0, agent=True)  # nobody is asked whether they are still there
    assert talk.next_deadline == 450.0
    assert talk.tick(449.9) == []
    assert talk.state is TalkState.TALKING
    talk.tick(450.0)
    assert talk.state is TalkState.CLOSING, "the agent had ten seconds before"


def test_a_goodbye_wished_while_a_person_has_the_call_is_said_after_them() -> None:
    talk = taken()
    (note,) = talk.close(EndedBy.SYSTEM_COMPLETE, "OpenDeep is being stopped", 102.0, farewell="Say that we stop.")
    assert isinstance(note, Note)
    assert talk.state is TalkState.TAKEN
    (words,) = to_media(talk.handle(LEFT, 110.0))
    assert isinstance(words, media.Say)
    assert (words.instructions, talk.state) == ("Say that we stop.", TalkState.CLOSING)
    talk.handle(SPEAKS, 111.0)
    end = WantHangUp(EndedBy.SYSTEM_COMPLETE, "OpenDeep is being stopped")
    assert heard_out(talk, media.PlayoutDrained(**OF_CALL, item_id="i"), 113.0) == [end]


def test_functions_of_the_agent_do_nothing_meanwhile() -> None:
    called = media.ToolCalled(**OF_CALL, tool_call_id="t", name="end_call", arguments='{"reason":"done"}')
    (output,) = to_media(taken().handle(called, 102.0))
    assert isinstance(output, media.ToolOutput)
    assert "A person of your own side has the call now." in output.output
    assert not output.respond


@pytest.mark.parametrize("payload", [cmd.EndCall(), cmd.Reschedule()], ids=["end", "reschedule"])
def test_a_goodbye_opens_the_line_first(payload: cmd.Payload) -> None:
    talk = talking()
    carry_out(talk, cmd.Mute(), 101.0)
    opened, say = to_media(carry_out(talk, payload, 102.0).effects)
    assert opened == media.Mute(call_id="c1", agent=False, callee=False)
    assert isinstance(say, media.Say)


def test_the_longest_talk_ends_also_on_hold() -> None:
    talk = talking()
    carry_out(talk, cmd.Hold(), 101.0)
    opened, say = to_media(talk.tick(100.0 + TalkLimits().max_talk_s))
    assert isinstance(opened, media.Mute)
    assert isinstance(say, media.Say)


def test_a_farewell_that_nobody_heard_is_said_again() -> None:
    talk = talking()
    carry_out(talk, cmd.Mute(), 101.0)
    who = {"seq": 1, "call_id": "c1", "at_unix_ms": 1}
    talk.handle(media.TurnPartial(**who, speaker="agent", item_id="i", text="bye"), 102.0)
    ended = talk.handle(
        media.ToolCalled(**who, tool_call_id="t", name="end_call", arguments='{"reason":""}'), 103.0
    )
    assert [type(one) for one in to_media(ended)] == [media.ToolOutput, media.Mute, media.Say]


@given(st.lists(st.tuples(st.sampled_from(ALL), st.floats(0, 20)), max_size=12))
def test_any_order_of_commands_leaves_a_talk_that_ends(steps: list[tuple[cmd.Payload, float]]) -> None:
    talk, now = talking(), 100.0
    for payload, wait in steps:
        now += wait
        carry_out(talk, payload, now)
        talk.tick(now)
    talk.handle(LEFT, now)  # the media worker always says so in the end, whatever becomes of the person
    for _ in range(40):
        if (due := talk.next_deadline) is None:
            break
        now = max(now, due)
        talk.tick(now)
    assert talk.state is TalkState.DONE


# --- the desk -------------------------------------------------------------------------------------------------
class Desk:
    """A desk at work on a stored call; `handed` are the commands that came to the call."""

    def __init__(self, board: Switchboard, order: CallOrder, db: SqliteDatabase) -> None:
        self.board, self.order, self.db = board, order, db
        self.handed: asyncio.Queue[Ordered] = asyncio.Queue()
        self.desk = CommandDesk(board, order, self.handed.put_nowait)

    async def place(self, payload: cmd.Payload, *, wake: bool = True) -> Command:
        kind = next(kind for kind, shape in cmd.PAYLOADS.items() if isinstance(payload, shape))
        fields = {
            "id": f"c{self.board.clock.monotonic()}{wake}",
            "issued_by": "lead",
            "call_id": self.order.call_id,
        }
        new = cmd.NewCommand(**fields, kind=CommandKind(kind), payload=payload, expires_ms=NOW + 30_000)
        async with self.db.tx() as tx:
            command = await commands.enqueue(tx, TENANT, new, NOW)
        if wake:
            await self.board.bus.publish(command_topic(self.order.call_id), wake_up(command, KEY))
        return command

    async def row(self, command: Command) -> Command:
        return await commands.get(self.db, TENANT, command.id)

    async def woken(self, count: int) -> None:
        """Until so many wake-ups were judged."""
        async with asyncio.timeout(5):
            while self.board.wakes.total() < count:  # noqa: ASYNC110 - a counter tells nobody
                await asyncio.sleep(0)


@asynccontextmanager
async def desk(folder: Path, **changes: object) -> AsyncGenerator[Desk]:
    async with SqliteDatabase(fresh_sqlite(folder / "opendeep.db"), busy_timeout_ms=50) as db:
        await add_agent(db)
        task = await claimed_task(db)
        call = await begun_call(db, task)
        settings = Settings(_env_file=None).model_copy(update={"command_key": SecretStr(KEY.decode())})  # type: ignore[call-arg]
        clock = ManualClock(datetime.fromtimestamp(NOW / 1000, UTC))
        board = Switchboard(settings, clock, db, MemoryBus(), None, None)  # type: ignore[arg-type]
        new = new_call(task, id=call.id)
        order = CallOrder(
            new=new,
            tenant_id=TENANT,
            lease_token=task.lease_token,
            objective="",
            callee_name="",
            agent=AGENT,
            **changes,  # type: ignore[arg-type]
        )
        yield Desk(board, order, db)


async def next_of(desk: Desk) -> Ordered:
    async with asyncio.timeout(5):
        return await desk.handed.get()


@pytest.mark.anyio
async def test_a_command_is_handed_over_answered_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.calls.commands.LOOK_S", 3_600.0)
    async with desk(tmp_path) as at, asyncio.TaskGroup() as group:
        with at.board.bus.subscribe("calls") as screens:
            serving = group.create_task(at.desk.run())
            await asyncio.sleep(0)
            command = await at.place(cmd.Say(text="hello"))
            ordered = await next_of(at)
            assert (ordered.payload, ordered.issued_by) == (cmd.Say(text="hello"), "lead")
            assert (await at.row(command)).state is CommandState.TAKEN
            ordered.settle("said")
            ordered.settle("said again", refused=True)
            assert await anext(screens) == CallChanged(tenant_id=TENANT, call_id=at.order.call_id)
        row = await at.row(command)
        assert (row.state, row.result) == (CommandState.DONE, "said")
        await at.woken(1)
        assert at.board.wakes == Counter({Verdict.ACCEPTED: 1})
        serving.cancel()


@pytest.mark.anyio
async def test_a_forged_wake_up_does_not_even_cause_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.calls.commands.LOOK_S", 0.2)
    async with desk(tmp_path) as at, asyncio.TaskGroup() as group:
        looks = 0
        looking = commands.waiting

        async def counted(*arguments: Any) -> bool:
            nonlocal looks
            looks += 1
            return await looking(*arguments)

        monkeypatch.setattr("app.store.commands.waiting", counted)
        serving = group.create_task(at.desk.run())
        command = await at.place(cmd.Hold(), wake=False)
        ordered = await next_of(at)  # found by looking
        ordered.settle("held")
        for _ in range(300):
            await at.board.bus.publish(command_topic(at.order.call_id), wake_up(command, b"j" * 32))
        await at.woken(300)
        assert at.board.wakes == Counter({Verdict.FORGED: 300})
        assert looks <= 4
        serving.cancel()


@pytest.mark.anyio
async def test_what_a_dead_process_took_is_answered_and_not_repeated(tmp_path: Path) -> None:
    async with desk(tmp_path, adopted=True) as at, asyncio.TaskGroup() as group:
        left = await at.place(cmd.EndCall())
        async with at.db.tx() as tx:
            await commands.take_next(tx, TENANT, at.order.call_id, at.order.lease_token, NOW)
        at.board.clock.advance(1)  # type: ignore[attr-defined]
        after = await at.place(cmd.Hold())
        serving = group.create_task(at.desk.run())
        ordered = await next_of(at)
        assert ordered.payload == cmd.Hold()
        assert (await at.row(left)).result == INTERRUPTED
        ordered.settle("held")
        await at.desk.close()
        assert (await at.row(after)).state is CommandState.DONE
        serving.cancel()


@pytest.mark.anyio
async def test_a_call_that_ends_answers_what_it_holds(tmp_path: Path) -> None:
    async with desk(tmp_path) as at, asyncio.TaskGroup() as group:
        serving = group.create_task(at.desk.run())
        command = await at.place(cmd.Hold())
        await next_of(at)
        async with asyncio.timeout(5):
            await at.desk.close()
        row = await at.row(command)
        assert (row.state, row.result) == (CommandState.REFUSED, "The call ended first; nothing was done.")
        serving.cancel()


@pytest.mark.anyio
async def test_a_store_that_is_away_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOOK_S", "STORE_AGAIN_S"):
        monkeypatch.setattr(f"app.calls.commands.{name}", 0.01)
    fails = {"waiting": 3, "finish": 3}
    for name in fails:
        monkeypatch.setattr(f"app.store.commands.{name}", _failing(name, fails))
    async with desk(tmp_path) as at, asyncio.TaskGroup() as group:
        serving = group.create_task(at.desk.run())
        command = await at.place(cmd.Hold())
        (await next_of(at)).settle("held")
        async with asyncio.timeout(5):
            while (await at.row(command)).state is CommandState.TAKEN:  # noqa: ASYNC110 - a row wakes nobody
                await asyncio.sleep(0.01)
        assert (await at.row(command)).state is CommandState.DONE
        assert at.handed.empty()
        serving.cancel()


def _failing(name: str, fails: dict[str, int]) -> Any:
    real = getattr(commands, name)

    async def function(*arguments: Any, **fields: Any) -> Any:
        if fails[name]:
            fails[name] -= 1
            raise DatabaseBusy("busy")
        return await real(*arguments, **fields)

    return function
