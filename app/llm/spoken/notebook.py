"""Writes down what is said in a spoken session, in order, as turns of the chat; carries functions out in between.

A typed message may be answered at the same time: whoever writes a turn holds the conversation's claim, so this
waits until it is free. What a turn cost is charged to the tenant's month in the same transaction.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from app.domain.planning import PlannerTurn, Profile, TurnContent
from app.errors import AppError, ConflictError, ConstraintFailed, SchemaError, StoreError
from app.ids import new_id
from app.llm.model import ToolCall
from app.llm.planner_claim import Claim
from app.llm.planner_contacts import with_contacts
from app.llm.planner_steps import Parts, store_reply
from app.llm.spoken.hands import NOT_MADE, PROMPT_VERSION, Made, carry_out
from app.llm.spoken.model import Act, Acted, Charge, Note, Used
from app.store import budgets, conversations
from app.store.conversations import Conversation

log = structlog.get_logger()
AGAIN_S = 0.4
PATIENCE_S = 240.0
"""Longer than the claim of a reply that died."""
UNKNOWN = "store_unknown"
"""Whether it was stored is open."""


class Notebook:
    """Of one session. `run` takes what is put into `todo` until it is cancelled. After `close` no function is
    carried out any more; what is to be written down still is.
    """

    def __init__(self, parts: Parts, conversation: Conversation, profile: Profile) -> None:
        self._parts = parts
        self._conversation = conversation
        self._profile = profile
        self.todo: asyncio.Queue[Note | Act | Charge] = asyncio.Queue()
        self.newest_seq = 0
        self._closed = False
        self._making: asyncio.Timeout | None = None

    def close(self) -> None:
        """Nobody waits for functions any more."""
        self._closed = True
        if self._making is not None:
            self._making.reschedule(asyncio.get_running_loop().time())

    async def run(self, acted: Callable[[Acted], None], stored: Callable[[int], None]) -> None:
        """`acted` hears of functions, `stored` of turns."""
        while True:
            one = await self.todo.get()
            try:
                seq = await self._take(one, acted)
                if seq:
                    stored(seq)
            except AppError as error:
                log.warning(
                    "a spoken turn was not stored", conversation_id=self._conversation.id, error=error.message
                )
            except Exception:
                log.exception("a spoken turn was not stored", conversation_id=self._conversation.id)
                if isinstance(one, Act):
                    acted(_failed(one, "a fault of ours."))
            finally:
                self.todo.task_done()

    async def _take(self, one: Note | Act | Charge, acted: Callable[[Acted], None]) -> int:
        match one:
            case Note():
                return await self._write(_turn_of(one), one.used, told=_told(one))
            case Charge(used=used):
                await self._charge(used)
                return 0
            case Act():
                return 0 if self._closed else await self._act(one, acted)

    async def _act(self, act: Act, acted: Callable[[Acted], None]) -> int:
        try:
            made = await self._while_open(act)
            if made is None:
                return 0
            seq = await self._write(made.turn, made.used) if made.turn is not None else 0
        except AppError as error:
            acted(_failed(act, error.message))
            return 0
        acted(Acted(tool_call_id=act.tool_call_id, output=made.output))
        return seq

    async def _while_open(self, act: Act) -> Made | None:
        """None: nobody waits for it any more."""
        try:
            async with asyncio.timeout(None) as self._making:
                return await self._made(act)
        except TimeoutError:
            if self._closed:
                return None
            raise
        finally:
            self._making = None

    async def _made(self, act: Act) -> Made:
        there = await conversations.turns(self._parts.db, self._conversation.tenant_id, self._conversation.id)
        profile = await with_contacts(self._parts.db, self._conversation.tenant_id, self._profile, there)
        call = ToolCall(tool_call_id=act.tool_call_id, name=act.name, arguments=act.arguments)
        return await carry_out(self._parts, self._conversation, profile, there, call)

    # --- writing ------------------------------------------------------------------------------------------------
    async def _write(self, turn: PlannerTurn, used: Used, told: tuple[str, ...] = ()) -> int:
        """As the next turn, once; its number. Raises TimeoutError when others write, or the store fails, on."""
        key = f"spoken-{new_id(self._parts.clock.unix_ms())}"
        made = msgspec.structs.replace(
            turn,
            client_key=key,
            model=self._parts.settings.realtime_model if turn.role == "assistant" else "",
            prompt_version=PROMPT_VERSION if turn.role == "assistant" else "",
            asked=used.asked,
            input_tokens=used.input_tokens,
            cached_tokens=used.cached_tokens,
            output_tokens=used.output_tokens,
            cost_micro_usd=used.cost_micro_usd,
            price_table=used.price_table,
            created_ms=self._parts.clock.unix_ms(),
        )
        seq = await _patiently(lambda: self._write_once(made, used.known_micro_usd, told))
        self.newest_seq = seq
        return seq

    async def _write_once(self, turn: PlannerTurn, spent_micro_usd: int, told: tuple[str, ...]) -> int:
        """Under the claim."""
        parts, chat = self._parts, self._conversation
        async with self._claimed() as claim:
            there = await conversations.turns(parts.db, chat.tenant_id, chat.id)
            before = next((one.seq for one in there if one.client_key == turn.client_key), None)
            if before is not None:  # the store failed after it had it
                await claim.release(parts.db)
                return before
            made = msgspec.structs.replace(turn, seq=(there[-1].seq if there else 0) + 1)
            await store_reply(parts, chat, there, made, told=told, claim=claim, charged_micro_usd=spent_micro_usd)
        return made.seq

    async def _charge(self, used: Used) -> None:
        """What came too late for a turn goes onto the last one. It has no key: rather not charged than twice."""
        if used.known_micro_usd or used.unpriced:
            await _patiently(lambda: self._charge_once(used), unknown=True)

    async def _charge_once(self, used: Used) -> int:
        chat = self._conversation
        month = budgets.tenant_month(chat.tenant_id, None, self._parts.clock.unix_ms())
        async with self._parts.db.tx() as tx:
            await conversations.add_cost(tx, chat.tenant_id, chat.id, used.cost_micro_usd)
            if used.known_micro_usd:
                await budgets.charge(tx, month, used.known_micro_usd)
        return 0

    @asynccontextmanager
    async def _claimed(self) -> AsyncGenerator[Claim]:
        claim = Claim(self._parts.db, self._parts.clock, self._conversation)
        async with self._parts.db.tx() as tx:
            await claim.take(tx)
        try:
            yield claim
        except BaseException:
            with suppress(StoreError):  # it runs out by itself
                await asyncio.shield(claim.release(self._parts.db))
            raise


async def _patiently(step: Callable[[], Awaitable[int]], *, unknown: bool = False) -> int:
    """Again while somebody else writes, or the store fails. `unknown`: not when it may be done already."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await step()
            except (ConstraintFailed, SchemaError):
                raise
            except (ConflictError, StoreError) as error:
                if unknown and error.code == UNKNOWN:
                    raise
                await asyncio.sleep(AGAIN_S)


def _turn_of(note: Note) -> PlannerTurn:
    content = TurnContent(
        spoken=True, interrupted=note.interrupted, news=note.news.news if note.news is not None else None
    )
    role = "user" if note.role == "user" else "assistant"
    return PlannerTurn(seq=0, role=role, kind="message", text=note.text, content=content)


def _told(note: Note) -> tuple[str, ...]:
    return () if note.news is None else tuple(sorted(note.news.call_ids))


def _failed(act: Act, why: str) -> Acted:
    output = msgspec.json.encode({"problem": NOT_MADE.format(why=why)}).decode()
    return Acted(tool_call_id=act.tool_call_id, output=output)
