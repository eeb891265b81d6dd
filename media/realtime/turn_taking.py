"""Who has the floor: what follows when the callee makes a sound (pure).

Three ears disagree: the server's turn detection (sure, but hears "mm-hm" and echo as turns), the leg's local gate
(at once, but deaf to meaning) and the transcript (late, but knows the words). While the agent speaks a sound is
first only doubted: `server` mode pauses playing within a frame, `guarded` mode ducks it, then pauses. What lasts
is an interruption: queue thrown away, model truncated to what was heard. After what is short the agent goes on
where it stopped, and the words decide later. Used by the conversation.
"""

from media.realtime import events as ev
from media.realtime.burst import Burst
from media.realtime.callee import CalleeTurns
from media.realtime.doubts import DoubtedTurns, words_of
from media.realtime.floor import ANSWER_TAIL_MS, DOUBT_LIMIT_S, PROTECTED_S, SPURN_S, UNHEARD_S, VERDICT_S, Floor
from media.realtime.outbox import Outbox
from media.realtime.reply import Reply
from media.realtime.sequencer import Sequencer
from media.realtime.session_model import DuckPlayback, FlushPlayback, LocalGate, PausePlayback, ResumePlayback
from media.realtime.settings import BargeIn
from media.realtime.speech import AgentSpeech
from media.realtime.wants import ActiveResponse
from media.realtime.words import judge
from media.speech_gate import Confirmed, Ended, Long, Onset


class TurnTaking:
    """One call's floor."""

    def __init__(
        self,
        mode: BargeIn,
        outbox: Outbox,
        sequencer: Sequencer,
        *,
        speech: AgentSpeech,
        reply: Reply,
        callee: CalleeTurns,
    ) -> None:
        self.floor = Floor.FREE
        self._guarded = mode == "guarded"
        self._outbox = outbox
        self._sequencer = sequencer
        self._speech = speech
        self._reply = reply
        self._callee = callee
        self._gate_heard = False  # the leg has a gate; without one the server alone decides
        self._burst = Burst()
        self._item_id: str | None = None
        self._since = 0.0
        self._deadline: float | None = None
        self._server_cut = self._goes_on = False
        self._spurn_until = float("-inf")
        self._answers_end = False
        self._ducked = False
        self._doubted = DoubtedTurns(outbox, callee, speech)

    @property
    def heard_out(self) -> bool:
        """The callee does not speak and waits for no answer."""
        return not self._sequencer.user_speaking and self._reply.due is None

    @property
    def next_deadline(self) -> float | None:
        """When `advance` has something to do."""
        return min((at for at in (self._reply.due, self._deadline) if at is not None), default=None)

    def lost(self) -> bool:
        """The session is gone. True if the callee waits for an answer, or was speaking. The gate's doubts stay."""
        owed = self._reply.off() or self._sequencer.user_speaking
        if self.floor is Floor.BRIEF:
            owed = owed or self._server_cut
        elif self.floor is Floor.PAUSED and not self._burst.open:
            self._outbox.put(ResumePlayback())
        if self.floor is Floor.BRIEF or not self._burst.open:
            self._free()
        self._doubted.clear()
        return owed

    def fall_silent(self, now: float) -> None:
        """From now on we only listen: what the agent was saying is cut, whatever was thought of the floor."""
        self._reply.off()
        self._doubted.clear()
        self._sequencer.cancel(now)
        self._yield()

    # --- the server's ear ---------------------------------------------------------------------------------------
    def speech_started(self, event: ev.InputSpeechStarted, now: float) -> None:
        """Its turn detection hears the callee."""
        self._reply.off()
        if self._guarded:
            self._guarded_start(event, now)
            return
        speaking_since = self._speech.speaking_since
        if not self._gate_heard or speaking_since is None or self.floor is Floor.BRIEF:
            self._sequencer.speech_started()
            self._yield()
            self._callee.event(event, now)
            return
        self._sequencer.speech_started(yields=False)
        self._callee.event(event, now)
        self._item_id, self._since, self._server_cut = event.item_id, now, False
        if self._burst.just_over(now):
            self._brief(now)  # it was over before the server noticed
        elif self._protected(now):
            self.floor, self._deadline = Floor.WATCHED, speaking_since + PROTECTED_S
        else:
            self._pause(now)

    def speech_stopped(self, event: ev.InputSpeechStopped, now: float) -> None:
        """The turn is over; in `server` mode its answer is being made there."""
        self._callee.event(event, now)
        if self._guarded:
            self._sequencer.speech_stopped(now, answered=False)
            return
        self._sequencer.speech_stopped(now, answered=self._reply.wanted)
        if self.floor in {Floor.WATCHED, Floor.PAUSED}:
            self._interrupt(now)
        if self.floor is not Floor.BRIEF or self._answers_end:
            self._reply.expect(now)

    def committed(self, event: ev.InputCommitted, now: float) -> None:
        """The turn is an item of the conversation. In guarded mode we ask for its answer."""
        self._callee.event(event, now)
        if not self._guarded:
            return
        if event.item_id in self._doubted and self._speech.speaking_since is not None:
            return  # said over our speech and not enough to stop it: its words decide
        self._doubted.drop(event.item_id)
        self._reply.owe_turn(now)

    def transcribed(self, event: ev.TranscriptionCompleted | ev.TranscriptionFailed, now: float) -> None:
        """The words of a turn, which may turn out to be none."""
        if event.item_id in self._doubted:
            self._judged(event, now)
            return
        self._callee.event(event, now)
        if self.floor is Floor.BRIEF and event.item_id == self._item_id:
            self._settle(words_of(event), now)

    # --- the local ear ------------------------------------------------------------------------------------------
    def gate(self, event: LocalGate, now: float) -> None:
        """The leg's gate heard a burst begin, last or end."""
        self._gate_heard = True
        self._burst.take(event.event, now)
        match event.event:
            case Onset():
                if self._guarded and self._speech.speaking_since is not None and self.floor is not Floor.PAUSED:
                    self.floor, self._since, self._deadline = Floor.WATCHED, now, None
                elif self.floor is Floor.BRIEF and self._sequencer.user_speaking and self._speech.playing:
                    self._goes_on = True  # "stop, please stop": one turn, a pause in it
                    self._pause(now)
            case Ended():
                self._burst_over(event.queued_ms, now)
            case Confirmed() | Long():
                pass
        self._reconsider(now)

    # --- responses ----------------------------------------------------------------------------------------------
    def begun(self, response: ActiveResponse, now: float) -> None:
        """A response came, announced or not: nobody else has to reply to the turn before it."""
        answers_brief = response.request is None and response.created_at >= self._since
        listening = self.floor is Floor.BRIEF or now < self._spurn_until
        if listening and answers_brief and self._speech.playing and not self._server_cut:
            self._sequencer.cancel(now)  # an answer to "mm-hm" in the middle of a sentence
            return
        self._reply.came(response)

    def over(self, status: str | None, response: ActiveResponse | None) -> None:
        """A response ended; one that the server, and not we, cut off at a sound needs a sequel."""
        by_server = status == "cancelled" and response is not None and response.cancelled_at is None
        self._server_cut |= self.floor is not Floor.FREE and by_server

    # --- time ---------------------------------------------------------------------------------------------------
    def advance(self, now: float) -> None:
        """Do what is due."""
        if self.floor is not Floor.FREE and not self._speech.playing:
            self._played_out()
        self._reply.advance(now)
        if self._deadline is not None and now >= self._deadline:
            match self.floor:
                case Floor.BRIEF:
                    self._settle(None, now)
                case Floor.WATCHED:
                    self._pause(now)
                case Floor.PAUSED | Floor.FREE:
                    self._interrupt(now)
        self._reconsider(now)

    # --- inside -------------------------------------------------------------------------------------------------
    def _guarded_start(self, event: ev.InputSpeechStarted, now: float) -> None:
        over_ours = self._speech.speaking_since is not None
        if over_ours:
            self._doubted.add(event.item_id)
        elif not self._speech.playing:
            self._sequencer.cancel(now)  # a thought of the agent's that nobody has heard yet
            self._outbox.put(FlushPlayback(fade=False))
        self._sequencer.speech_started(yields=False)
        self._callee.event(event, now)

    def _reconsider(self, now: float) -> None:
        """Duck, pause or interrupt as soon as what is known of the burst is enough."""
        if self.floor not in {Floor.WATCHED, Floor.PAUSED} or not self._burst.open or self._protected(now):
            return
        if self._burst.long or (self._goes_on and self._burst.confirmed):
            self._interrupt(now)
        elif self.floor is Floor.WATCHED and (self._burst.confirmed or not self._guarded):
            self._pause(now)
        elif self.floor is Floor.WATCHED:
            self._duck(on=True)

    def _pause(self, now: float) -> None:
        self._duck(on=False)
        self.floor = Floor.PAUSED
        limit_s = DOUBT_LIMIT_S if self._burst.open or self._guarded else UNHEARD_S
        self._deadline = now + limit_s
        self._outbox.put(PausePlayback())

    def _burst_over(self, queued_ms: int, now: float) -> None:
        self._answers_end = queued_ms <= ANSWER_TAIL_MS and not self._sequencer.busy
        if self.floor is Floor.PAUSED:
            self._brief(now)
        elif self.floor is Floor.WATCHED and self._guarded:
            self._free()
        elif self.floor is Floor.WATCHED:
            self._brief(now)

    def _brief(self, now: float) -> None:
        """Too short to be an interruption: go on where it stopped."""
        if self.floor is Floor.PAUSED:
            self._outbox.put(ResumePlayback())
        if self._guarded:
            self._free()  # the turn is among the doubted ones
            return
        self.floor, self._deadline = Floor.BRIEF, now + VERDICT_S
        if self._answers_end:
            self._free()

    def _settle(self, text: str | None, now: float) -> None:
        """The words of a brief burst (None: nobody will ever know them): carry on, or stop after all."""
        playing, cut = self._speech.playing, self._server_cut
        verdict = "speech" if text is None and not playing else judge(text or "", self._speech.recent_words)
        self._free()
        answered = self._sequencer.active is not None and not self._sequencer.active.muted
        if verdict != "speech":
            self._outbox.counters.backchannels += 1
            if not cut:
                self._spurn_until = now + SPURN_S
            elif not answered:
                self._reply.expect(now)  # the rest of the sentence
            return
        if playing:
            self._sequencer.cancel(now)
            self._yield()
        if playing or not answered:
            self._reply.owe(now)

    def _played_out(self) -> None:
        """The agent had said all before anything was decided; brief words are still judged."""
        if self.floor is Floor.PAUSED:
            self._outbox.put(ResumePlayback())
        if self.floor is not Floor.BRIEF:
            self._free()

    def _judged(self, event: ev.TranscriptionCompleted | ev.TranscriptionFailed, now: float) -> None:
        """The words of a turn over our speech: only those that count take the floor."""
        verdict = self._doubted.judge(event, now)
        playing = self._speech.playing
        if verdict in {"nothing", "echo"} or (verdict == "backchannel" and playing):
            return
        if playing:
            self._sequencer.cancel(now)
            self._yield()
        self._reply.owe_turn(now)

    def _interrupt(self, now: float) -> None:
        """The callee has the floor."""
        if self._guarded:
            self._sequencer.cancel(now)
            self._doubted.clear()
        else:
            self._sequencer.yield_floor()
        self._yield()

    def _yield(self) -> None:
        self._outbox.put(FlushPlayback(fade=True))
        self._free()

    def _duck(self, *, on: bool) -> None:
        if on != self._ducked:
            self._ducked = on
            self._outbox.put(DuckPlayback(on=on))

    def _free(self) -> None:
        self._duck(on=False)
        self.floor, self._deadline, self._item_id = Floor.FREE, None, None
        self._server_cut = self._goes_on = False

    def _protected(self, now: float) -> bool:
        since = self._speech.speaking_since
        return since is not None and now < since + PROTECTED_S
