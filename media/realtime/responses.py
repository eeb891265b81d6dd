"""The agent's responses as the server reports them: speech, tool calls, usage, failures and their retries.

Everything is keyed by response and item id, since one response may hold several messages and calls, and events of
a response that was cut keep coming. Called by `media.realtime.conversation`.
"""

from typing import assert_never

import msgspec

from media.realtime import events as ev
from media.realtime.api_errors import FATAL_CODES, IGNORED_CODES, RATE_LIMIT_CODES, SLOT_TAKEN
from media.realtime.client_events import ResponseConfig
from media.realtime.notifications import Failed, ResponseUsed, ToolCalled
from media.realtime.outbox import Outbox
from media.realtime.pricing import PRICE_TABLE, count_tokens, response_cost
from media.realtime.sequencer import Sequencer
from media.realtime.speech import AgentSpeech
from media.realtime.tool_calls import ToolCalls
from media.realtime.wants import ActiveResponse, Want

RETRY_LIMIT = 2
RETRY_PAUSE_S = 0.5
RATE_LIMIT_PAUSE_S = 2.0
RATE_LIMIT_RETRIES = 4
"""2, 4, 6, 8 seconds: the callee hears the filler meanwhile; a minute's quota is not waited for."""

OutputEvent = ev.OutputAudioDelta | ev.OutputTranscriptDelta | ev.OutputTranscriptDone | ev.OutputTextDone


class Responses:
    """Feeds speech and tools from response events; `failure` is set when the account is refused."""

    def __init__(
        self, model: str, outbox: Outbox, sequencer: Sequencer, speech: AgentSpeech, tools: ToolCalls
    ) -> None:
        self.failure: Failed | None = None
        self._model = model
        self._outbox = outbox
        self._sequencer = sequencer
        self._speech = speech
        self._tools = tools
        self._failures = 0

    def owe(self, now: float, pause_s: float = 0.0) -> None:
        """The callee waits for an answer that nobody is making."""
        self._sequencer.ask(Want(kind="owed", asked_at=now, not_before=now + pause_s))

    def follow_up_tools(self, now: float) -> None:
        """Ask for the answer to tool results once the response that made the calls is over."""
        for response_id, calls in self._tools.settled_responses().items():
            if self._sequencer.is_active(response_id):
                continue
            for call in calls:
                call.followed = True
            if any(call.respond for call in calls):
                ids = frozenset(call.tool_call_id for call in calls)
                self._sequencer.ask(Want(kind="tool", asked_at=now, tool_call_ids=ids))

    # --- events -------------------------------------------------------------------------------------------------
    def event(self, event: ev.ResponseEvent, now: float) -> ActiveResponse | None:
        """Any event about a response; returns the response that is over with it."""
        match event:
            case ev.ResponseCreated():
                self._created(event, now)
            case ev.ResponseDone():
                return self._done(event, now)
            case ev.OutputItemAdded():
                self._item_added(event, now)
            case ev.OutputItemDone():
                self._item_done(event, now)
            case ev.OutputAudioDone():
                self._audio_done(event, now)
            case ev.FunctionCallArgumentsDone():
                self._arguments_done(event, now)
            case (
                ev.OutputAudioDelta()
                | ev.OutputTranscriptDelta()
                | ev.OutputTranscriptDone()
                | ev.OutputTextDone()
            ):
                self._output(event, now)
            case _:
                assert_never(event)
        return None

    def _created(self, event: ev.ResponseCreated, now: float) -> None:
        """A response began, ours or the server's own."""
        active = self._sequencer.created(event.response, now)
        if active is None:
            return
        if active.request is None:
            self._sequencer.drop_answered(self._tools.acknowledged)
        elif active.request.overtaken and self._sequencer.user_speaking:
            self._sequencer.cancel(now)
            if active.request.want.kind in {"say", "tool"}:
                self._sequencer.ask(active.request.want)

    def _output(self, event: OutputEvent, now: float) -> None:
        """Something the agent says; nothing if its response is over."""
        response = self._sequencer.touch(event.response_id, now)
        if response is None:
            self._outbox.counters.late_audio_deltas += isinstance(event, ev.OutputAudioDelta)
            return
        match event:
            case ev.OutputAudioDelta():
                self._speech.delta(response, event, now)
            case ev.OutputTranscriptDelta():
                self._speech.transcript_delta(response, event, now)
            case ev.OutputTranscriptDone():
                self._speech.transcript_done(response, event)
            case ev.OutputTextDone():
                response.has_text_only = True

    def _audio_done(self, event: ev.OutputAudioDone, now: float) -> None:
        """No more audio of an item."""
        self._sequencer.touch(event.response_id, now)
        self._speech.finish(event.item_id)

    def _item_added(self, event: ev.OutputItemAdded, now: float) -> None:
        """An item begins; of a function call it tells the name."""
        self._sequencer.touch(event.response_id, now)
        if event.item.call_id and event.item.name:
            self._tools.named(event.item.call_id, event.item.name)

    def _item_done(self, event: ev.OutputItemDone, now: float) -> None:
        """An item is whole. A completed call counts even if the callee interrupted what was said with it."""
        self._sequencer.touch(event.response_id, now)
        self._speech.item_done(event.item.id)
        if event.item.status in {"completed", None}:
            self._called(event.item, event.response_id)

    def _arguments_done(self, event: ev.FunctionCallArgumentsDone, now: float) -> None:
        """A call is whole, unless its response was cut: then only the status of its item tells."""
        response = self._sequencer.touch(event.response_id, now)
        if response is not None and not response.muted:
            item = ev.Item(type="function_call", call_id=event.call_id, name=event.name, arguments=event.arguments)
            self._called(item, event.response_id)

    def _done(self, event: ev.ResponseDone, now: float) -> ActiveResponse | None:
        """A response is over (None if that was known); one that failed in silence is asked for again."""
        response = event.response
        over = self._sequencer.done(response, now)
        if over is None:
            return None
        self._used(response)
        if over.muted:
            self._speech.forget_unheard(response.id)
        match response.status:
            case "completed":
                self._completed(response, over, now)
            case "failed":
                self._failed(response, over, now)
            case "incomplete":
                details = response.status_details
                self._outbox.fault("response_incomplete", (details and details.reason) or "", now)
            case _:
                pass
        return over

    def error(self, error: ev.ErrorInfo, now: float) -> None:
        """An error event; most leave the session as it is."""
        code = error.code or error.type or "unknown_error"
        self._outbox.counters.errors += 1
        if code in FATAL_CODES:
            self.failure = Failed(code=code, message=error.message or "", fatal=True)
        elif code in IGNORED_CODES:
            self._outbox.counters.errors_ignored += 1
        elif code == SLOT_TAKEN:
            if error.event_id is None:
                self.owe(now)
            else:
                self._sequencer.refused(error.event_id, retry=True, now=now)
        else:
            self._outbox.fault(code, error.message or "", now)
            refused = self._sequencer.refused(error.event_id, retry=False, now=now)
            if refused is not None:
                self._retry(refused, code, now)

    # --- inside -------------------------------------------------------------------------------------------------
    def _called(self, item: ev.Item, response_id: str) -> None:
        if item.type != "function_call" or item.call_id is None:
            return
        call = self._tools.called(item.call_id, item.name, item.arguments or "", response_id)
        if call is not None:
            report = ToolCalled(tool_call_id=call.tool_call_id, name=call.name, arguments=call.arguments)
            self._outbox.notify(report)

    def _completed(self, response: ev.Response, over: ActiveResponse, now: float) -> None:
        self._failures = 0
        for item in response.output or ():
            if item.status in {"completed", None}:
                self._called(item, response.id)
        if over.has_text_only and not over.has_audio and not over.muted:
            want = self._want_of(over, now)
            config = msgspec.structs.replace(want.config, output_modalities=("audio",))
            self._retry(msgspec.structs.replace(want, config=config), "text_only_response", now)

    def _failed(self, response: ev.Response, over: ActiveResponse, now: float) -> None:
        details = response.status_details
        error = (details and details.error) or ev.ErrorInfo()
        code = error.code or error.type or "response_failed"
        if code in FATAL_CODES:
            self.failure = Failed(code=code, message=error.message or "", fatal=True)
            return
        self._outbox.fault(code, error.message or "the server failed to answer", now)
        if not over.muted:
            self._retry(Want(kind="owed", asked_at=now) if over.has_audio else self._want_of(over, now), code, now)

    def _retry(self, want: Want, code: str, now: float) -> None:
        self._failures += 1
        limit = RATE_LIMIT_RETRIES if code in RATE_LIMIT_CODES else RETRY_LIMIT
        if self._failures > limit:
            self._failures = 0
            self._outbox.fault("response_given_up", f"{limit} more tries failed: {code}", now)
            return
        self._outbox.counters.responses_retried += 1
        pause_s = RATE_LIMIT_PAUSE_S if code in RATE_LIMIT_CODES else RETRY_PAUSE_S
        self._sequencer.ask(msgspec.structs.replace(want, not_before=now + pause_s * self._failures))

    def _want_of(self, over: ActiveResponse, now: float) -> Want:
        if over.request is not None:
            return over.request.want
        return Want(kind="owed", asked_at=now, config=ResponseConfig())

    def _used(self, response: ev.Response) -> None:
        if response.usage is None:
            return
        tokens = count_tokens(response.usage)
        report = ResponseUsed(
            response_id=response.id,
            model=self._model,
            status=response.status or "",
            input_text_tokens=tokens.input_text,
            input_audio_tokens=tokens.input_audio,
            input_cached_text_tokens=tokens.cached_text,
            input_cached_audio_tokens=tokens.cached_audio,
            output_text_tokens=tokens.output_text,
            output_audio_tokens=tokens.output_audio,
            cost_micro_usd=response_cost(self._model, tokens),
            price_table=PRICE_TABLE,
        )
        self._outbox.notify(report)
