"""The mind of the orchestrator: calls `schedule_call_batch` for the plan it is shown. Pure."""

import msgspec

from app.sim.text.mind import TextAnswer, TextQuestion, encoded


class _Call(msgspec.Struct):
    number: str


class _Plan(msgspec.Struct):
    title: str
    calls: list[_Call]


class _Shown(msgspec.Struct):
    plan_id: str
    plan: _Plan


class PlainBatchMind:
    """Takes name and order as the plan has them."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        shown = msgspec.json.decode(question.last_user_text, type=_Shown)
        order = [call.number for call in shown.plan.calls]
        arguments = {"plan_id": shown.plan_id, "name": shown.plan.title, "order": order}
        return TextAnswer(calls=(("schedule_call_batch", encoded(arguments)),))


class BatchMind:
    """Names the campaign differently every time it is asked, and turns the order round: what may vary, varies."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, question: TextQuestion) -> TextAnswer:
        self.asked += 1
        shown = msgspec.json.decode(question.last_user_text, type=_Shown)
        order = [call.number for call in shown.plan.calls][:: (-1) ** self.asked]
        name = f"{shown.plan.title} ({self.asked})"
        arguments = {"plan_id": shown.plan_id, "name": name, "order": order}
        return TextAnswer(calls=(("schedule_call_batch", encoded(arguments)),))
