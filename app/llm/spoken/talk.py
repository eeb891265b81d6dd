"""A spoken conversation with the planner, decided (pure): what is written down, when a function may run, who is
told what, when it ends. `handle(input, now) -> effects`; times are monotonic seconds.

The Realtime session has turns, interruptions and its own reconnects already (`media.realtime`); this knows what
they mean for the chat.
"""

from collections import deque
from typing import assert_never

from app.llm.spoken.model import (
    Act,
    Acted,
    BudgetUsed,
    Charge,
    Effect,
    End,
    Ending,
    GiveResult,
    HungUp,
    Inform,
    Input,
    LineEvent,
    ModelLine,
    Note,
    PendingNews,
    Phase,
    PhaseEvent,
    Quiet,
    Reported,
    Seen,
    Tell,
    Tick,
    Used,
    WordsEvent,
    used_by,
)
from app.llm.spoken.told import confirmed_words, news_words, written_words
from media import protocol as media
from media.realtime.priming import heard_text

IDLE_S = 180.0
"""Nobody says anything for this long: the microphone is not left open."""
LONGEST_S = 3_600.0
"""However much is said: nobody pays for a microphone that plays radio to the model all night."""
WORDS_S = 4.0
"""A function waits this long for what the user said to be written down: it is what numbers and facts rest on."""
LOST_S = 0.7
"""A connection that is made anew faster than this is nobody's concern."""
TELLING_S = 60.0
"""After this long without having been told, news is told again."""
_TAKEN_LATE = media.TurnSpoken | media.ResponseUsed | media.TranscriptionUsed
"""Reports that count after the end, too."""
_GO_ON = "Go on: answer what the user said last, or finish what you were saying."
ENDING_WORDS = {
    Ending.IDLE: "Nobody has spoken for three minutes, so the microphone was switched off. Press it to go on.",
    Ending.LONGEST: "You have spoken for an hour, so the microphone was switched off. Press it to go on.",
    Ending.BUDGET: "Your organisation's budget for this month is used up. An owner can raise it.",
    Ending.ELSEWHERE: "You speak in this conversation on another page now.",
    Ending.LOST: "The speech model cannot be reached.",
}


class SpokenTalk:
    """One spoken session, from its begin to its end."""

    def __init__(self, now: float, news: PendingNews | None = None, zone: str = "UTC") -> None:
        """`news`: what the user has not been told yet; `zone` is the user's."""
        self._zone = zone
        self.over = self._settled = False
        self._effects: list[Effect] = []
        self._phase = Phase.CONNECTING
        self._last_sign = self._began = now
        self._words_due: float | None = None
        self._waiting: deque[media.ToolCalled] = deque()
        self._running: set[str] = set()
        self._used = Used()
        self._down_since: float | None = None
        self._told_lost = False
        self._news = news
        self._telling: PendingNews | None = None
        self._telling_since = now
        self._telling_item = ""
        self._items: set[str] = set()
        self._told: set[str] = set()

    @property
    def next_deadline(self) -> float | None:
        """When a `Tick` is due."""
        if self.over:
            return None
        times = [self._last_sign + IDLE_S, self._began + LONGEST_S, self._words_due]
        if self._down_since is not None and not self._told_lost:
            times.append(self._down_since + LOST_S)
        return min(time for time in times if time is not None)

    def awaits_words(self, now: float) -> bool:
        """The user has stopped speaking, and what they said is not written down yet."""
        return self._words_due is not None and now < self._words_due

    def begin(self, now: float, *, owed: bool) -> list[Effect]:
        """`owed`: the user said something before that nobody answered."""
        if self._news is not None:
            self._tell_news(now)
        elif owed:
            self._put(Inform(text=_GO_ON, respond=True))
        return self._drain()

    def handle(self, event: Input, now: float) -> list[Effect]:
        """Take one input; after the end only what was said and what it cost, after `HungUp` nothing."""
        late = isinstance(event, HungUp) or (isinstance(event, Reported) and isinstance(event.report, _TAKEN_LATE))
        if self._settled or (self.over and not late):
            return []
        self._take(event, now)
        if not self.over:
            self._due(now)
        return self._drain()

    def _take(self, event: Input, now: float) -> None:
        match event:
            case Reported(report=report):
                self._reported(report, now)
            case ModelLine(up=up):
                self._line(now, up=up)
            case Seen():
                self._seen(event, now)
            case Acted():
                self._acted(event)
            case Quiet():
                self._quiet(now)
            case BudgetUsed():
                self._end(Ending.BUDGET)
            case Tick():
                pass
            case HungUp():
                self._settle()
                self.over = self._settled = True
            case _:
                assert_never(event)

    # --- the session --------------------------------------------------------------------------------------------
    def _reported(self, report: media.NumberedReport, now: float) -> None:
        match report:
            case media.LegReady():
                self._show(Phase.LISTENING)
            case media.ToolCalled():
                self._waiting.append(report)
            case media.ResponseUsed() | media.TranscriptionUsed():
                self._used = self._used.plus(used_by(report))
            case media.LegFailed():
                self._end(Ending.REFUSED if report.fatal else Ending.LOST, report.message if report.fatal else "")
            case media.Fault(code=code) if code.startswith("transcription"):
                self._words_due = None
            case _:
                self._sounded(report, now)

    def _sounded(self, report: media.NumberedReport, now: float) -> None:
        """Somebody speaks, or has spoken."""
        match report:
            case media.TurnPartial(speaker=speaker, item_id=item_id, text=text):
                role = "assistant" if speaker == "agent" else "user"
                self._put(Tell(WordsEvent(role=role, item_id=item_id, text=text)))
                return
            case media.SpeechStarted():
                if self._telling is not None and not self._telling_item:
                    self._news, self._telling = self._telling, None  # what would tell it is not said any more
                self._show(Phase.HEARING)
            case media.SpeechStopped():
                self._words_due = now + WORDS_S
                self._show(Phase.THINKING)
            case media.AgentSpeaking(item_id=item_id):
                if self._telling is not None and not self._telling_item and item_id not in self._items:
                    self._telling_item = item_id
                self._items.add(item_id)
                self._show(Phase.SPEAKING)
            case media.TurnSpoken(speaker="agent"):
                self._agent_said(report)
            case media.TurnSpoken():
                self._words_due = None
                self._put(Note(role="user", text=report.text, used=self._take_used()))
            case _:
                return
        self._last_sign = now

    def _agent_said(self, turn: media.TurnSpoken) -> None:
        text = heard_text(turn).strip()
        news = None
        if self._telling is not None and turn.item_id == self._telling_item:
            half_heard = not turn.interrupted or turn.heard_ms * 2 >= turn.generated_ms
            if text and half_heard:
                news = self._telling
                self._told |= news.call_ids
            else:
                self._news = self._telling  # cut off before anybody could understand it
            self._telling, self._telling_item = None, ""
        if text:
            cut = turn.interrupted and turn.heard_ms < turn.generated_ms
            self._put(Note(role="assistant", text=text, interrupted=cut, used=self._take_used(), news=news))

    def _line(self, now: float, *, up: bool) -> None:
        if up:
            self._down_since = None
            if self._told_lost:
                self._told_lost = False
                self._put(Tell(LineEvent(up=True)))
        elif self._down_since is None:
            self._down_since = now

    # --- the chat -----------------------------------------------------------------------------------------------
    def _seen(self, seen: Seen, now: float) -> None:
        if seen.turns:
            self._last_sign = now
            self._put(Inform(text=written_words(seen.turns), respond=seen.turns[-1].role == "assistant"))
        for title in seen.confirmed:
            self._last_sign = now
            self._put(Inform(text=confirmed_words(title), respond=True))
        if self._telling is None or now >= self._telling_since + TELLING_S:
            # what was told a moment ago comes again until it is written down
            self._news = None if seen.news is not None and seen.news.call_ids & self._told else seen.news

    def _quiet(self, now: float) -> None:
        if self._running or self._waiting or self._words_due is not None:
            return
        self._show(Phase.LISTENING)
        if self._news is not None:
            self._tell_news(now)

    def _tell_news(self, now: float) -> None:
        assert self._news is not None
        self._put(Inform(text=news_words(self._news.news, self._zone), respond=True))
        self._telling, self._news = self._news, None
        self._telling_since, self._telling_item, self._last_sign = now, "", now

    # --- functions ----------------------------------------------------------------------------------------------
    def _release(self) -> None:
        """What the user said is written down by now: functions may rest on it."""
        while self._waiting:
            call = self._waiting.popleft()
            self._running.add(call.tool_call_id)
            self._show(Phase.WORKING, call.name, call.arguments)
            self._put(Act(tool_call_id=call.tool_call_id, name=call.name, arguments=call.arguments))

    def _acted(self, acted: Acted) -> None:
        self._running.discard(acted.tool_call_id)
        self._put(GiveResult(tool_call_id=acted.tool_call_id, output=acted.output))
        if not self._running:
            self._show(Phase.THINKING)

    # --- time and end -------------------------------------------------------------------------------------------
    def _due(self, now: float) -> None:
        if self._words_due is not None and now >= self._words_due:
            self._words_due = None
        if self._words_due is None:
            self._release()
        if self._down_since is not None and not self._told_lost and now >= self._down_since + LOST_S:
            self._told_lost = True
            self._put(Tell(LineEvent(up=False)))
        if self._running or self._waiting:
            self._last_sign = now
        if now >= self._last_sign + IDLE_S:
            self._end(Ending.IDLE)
        elif now >= self._began + LONGEST_S:
            self._end(Ending.LONGEST)

    def _end(self, why: Ending, detail: str = "") -> None:
        refused = f"The speech model refuses: {detail or 'its account or key is not accepted.'}"
        self._put(End(why=why, words=ENDING_WORDS.get(why, refused)))
        self.over = True

    def _settle(self) -> None:
        used = self._take_used()
        if used != Used():
            self._put(Charge(used))

    # --- inside -------------------------------------------------------------------------------------------------
    def _take_used(self) -> Used:
        used, self._used = self._used, Used()
        return used

    def _show(self, phase: Phase, name: str = "", arguments: str = "") -> None:
        if phase is not self._phase or name:
            self._phase = phase
            self._put(Tell(PhaseEvent(phase=phase, name=name, arguments=arguments)))

    def _put(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
