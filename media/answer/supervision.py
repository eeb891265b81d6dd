"""Answer supervision of one call: verdict and treatment behind one `handle(input, now_ms) -> effects` (pure)."""

from media.answer.model import AnswerSettings, Effect, Input, Verdict, Words
from media.answer.treatment import Treatment
from media.answer.verdict import AnswerMachine


class Supervision:
    """Run by `media.answer.ear`, one for each supervised leg."""

    def __init__(self, settings: AnswerSettings) -> None:
        self._machine = AnswerMachine(settings)
        self._treatment = Treatment(settings)
        self._now_ms = 0

    @property
    def verdict(self) -> Verdict:
        """Who is there, as far as known."""
        return self._machine.verdict

    @property
    def final(self) -> bool:
        """Nothing but the call's own progress changes the verdict any more."""
        return self._machine.final

    @property
    def next_deadline_ms(self) -> int | None:
        """When a `Tick` is due should no audio come."""
        due = (self._machine.next_deadline_ms, self._treatment.next_deadline_ms)
        return min((at for at in due if at is not None), default=None)

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Take one input; effects in order."""
        self._now_ms = max(self._now_ms, now_ms)
        effects: list[Effect] = []
        for decided in self._machine.handle(event, self._now_ms):
            effects += self._treatment.decided(decided)
        machine = self._machine
        if machine.verdict is Verdict.HOLD_MUSIC:
            effects += self._treatment.hold(awake=machine.awake)
        if machine.verdict is Verdict.IVR and isinstance(event, Words) and event.final:
            effects += self._treatment.menu(event.text)
        return effects + self._treatment.passed(machine.verdict, self._now_ms, machine.pause_ms())
