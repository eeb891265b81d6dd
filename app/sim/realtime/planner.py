"""The planner's voice in the demo: the rules of `app.sim.text.planner`, in speech and functions. Pure.

It cannot understand people: speech that is not in the tone language is taken for the next of its examples, and it
says so.
"""

import json
from typing import Any, cast

from app.sim.realtime import capable_words as words
from app.sim.realtime.brain import Brain, BrainEvent, Cause, SessionView, Step, ToolCall
from app.sim.realtime.polite import PoliteBrain
from app.sim.text.chat_reading import Json, read_chat
from app.sim.text.mind import TextQuestion, encoded
from app.sim.text.planner import PlausiblePlanner, reply_to
from app.sim.text.planner_follow_up import told_calls

SHOW_FORM, SHOW_PLAN = "show_form", "show_plan"
PLANS = "You plan telephone calls for the user"
"""How the planner's instructions begin."""
EXAMPLES = (
    "Call Ada on +1 555 1000 500 and ask whether Friday at four suits her.",
    "Please call her tomorrow at 10 instead.",
    "What became of the calls?",
)
GUESSED = "I cannot understand people in this simulation, so I take it that you said: {words}"
MOST_REFUSALS = 2


class HouseBrain:
    """Everybody's mind in a simulated house: the planner's in the chat, a polite agent's in calls."""

    def __init__(self) -> None:
        self._brain: Brain | None = None

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """By whom the session's instructions ask for."""
        return self._mind(view.instructions).answer(event, view)

    def guess(self, instructions: str) -> str:
        """Only the planner speaks with people."""
        mind = self._mind(instructions)
        return mind.guess(instructions) if isinstance(mind, PlannerBrain) else ""

    def _mind(self, instructions: str) -> Brain:
        if self._brain is None:
            self._brain = PlannerBrain() if instructions.startswith(PLANS) else PoliteBrain()
        return self._brain


class PlannerBrain:
    """Of one spoken session."""

    def __init__(self) -> None:
        self._planner = PlausiblePlanner()
        self._then_say = ""
        self._guesses = 0
        self._guessed = ""
        self._refusals = 0

    def guess(self, instructions: str) -> str:
        """The next example sentence."""
        del instructions
        self._guessed = EXAMPLES[self._guesses % len(EXAMPLES)]
        self._guesses += 1
        return self._guessed

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """The reply to what happened."""
        if match := words.WORD_FOR_WORD.search(event.instructions):
            return Step(say=match["text"].strip())
        match event.cause:
            case Cause.TOOL_OUTPUT:
                return self._came_of_it(_object(event.text), view)
            case Cause.TURN if not event.text.strip():
                return Step(say="I did not catch that.")
            case Cause.TURN:
                self._refusals = 0
                return self._with_guess(self._next(view))
            case Cause.IDLE | Cause.RESPONSE_CREATE:
                return self._informed(view)

    def _next(self, view: SessionView) -> Step:
        """Look something up, or reply."""
        question = _question(view)
        looked = self._planner.answer(question)
        if looked.calls:
            name, arguments = looked.calls[0]
            return Step(preamble="One moment.", call=(ToolCall(name=name, arguments=arguments),))
        reply = reply_to(read_chat(question))
        text = str(reply["text"])
        if reply["kind"] == "questions":
            return self._showing(SHOW_FORM, text, questions=reply["questions"])
        if reply["kind"] == "plan":
            return self._showing(SHOW_PLAN, text, plan=reply["plan"])
        return Step(say=text)

    def _showing(self, name: str, text: str, **more: Any) -> Step:
        self._then_say = text
        return Step(call=(ToolCall(name=name, arguments={"text": text, **more}),))

    def _came_of_it(self, output: Json, view: SessionView) -> Step:
        say, self._then_say = self._then_say, ""
        if "problem" in output and say:
            self._refusals += 1
            return Step(say="I cannot plan that.") if self._refusals > MOST_REFUSALS else self._next(view)
        return self._with_guess(Step(say=say)) if say else self._next(view)

    def _with_guess(self, step: Step) -> Step:
        """Says first what it took somebody's speech for."""
        if not self._guessed or not step.say:
            return step
        told = GUESSED.format(words=self._guessed)
        self._guessed = ""
        return Step(say=f"{told} {step.say}", call=step.call)

    def _informed(self, view: SessionView) -> Step:
        """Asked to speak without new words of the user: something happened meanwhile."""
        note = next((line.text for line in reversed(view.transcript) if line.role == "system"), "")
        if note.startswith("The user confirmed"):
            return Step(say="You confirmed the plan. The calls begin.")
        if note.startswith("Go on") and any("\nThe newest plan, open" in line.text for line in view.transcript):
            return Step(say="Your plan is on the page.")
        if note.startswith("Meanwhile on the page"):
            return Step(say="The page shows it now.")
        if note.startswith("Calls of this conversation"):
            chat = read_chat(_question(view))
            chat.last = ""
            return Step(say=str((told_calls(chat) or {}).get("text", "")))
        return self._next(view)


def _question(view: SessionView) -> TextQuestion:
    """The session as the text planner would see it."""
    history: list[tuple[str, str]] = []
    context: Json = {}
    asked: list[tuple[str, Json]] = []
    for line in view.transcript:
        match line.role:
            case "system":
                for part in line.text.splitlines():
                    context |= _written(part, history)
            case "call":
                name, _, arguments = line.text.partition(" ")
                given = _object(arguments)
                asked.append((name, given))
                if name == SHOW_PLAN:
                    history.append(("assistant", encoded({"kind": "plan", "plan": given.get("plan")})))
            case "output":
                name = asked.pop(0)[0] if asked else ""
                problem = _object(line.text).get("problem")
                if name not in {SHOW_FORM, SHOW_PLAN}:
                    history.append(("tool", line.text))
                elif problem:
                    history.append(("user", f"[checked by code] {problem}"))
            case _:
                history.append((line.role, line.text))
    history.insert(0, ("user", encoded({"context": ""} | context)))
    return TextQuestion(
        model=view.model, instructions="", history=tuple(history), tools=tuple(tool.name for tool in view.tools)
    )


def _written(line: str, history: list[tuple[str, str]]) -> Json:
    """One line of a system message: what it adds to the context; the words of earlier turns go to `history`."""
    given = _object(line)
    if "context" in given or "news" in given:
        return given
    if given.get("kind") == "plan":
        history.append(("assistant", line))
    elif line.startswith("user: "):
        history.append(("user", line.removeprefix("user: ")))
    return {}


def _object(text: str) -> Json:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return {}
    return cast("Json", found) if isinstance(found, dict) else {}
