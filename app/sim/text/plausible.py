"""Who thinks about what where a whole simulated world needs a text model: plausible minds for every question."""

from app.sim.text.mind import Mind, Route
from app.sim.text.orchestrator import PlainBatchMind
from app.sim.text.planner import PlausiblePlanner
from app.sim.text.reporter import PlausibleReporter
from app.sim.text.steward import CarefulSteward


def plausible_routes(analyst: Mind) -> list[Route]:
    """Calls are judged by `analyst`; tasks are looked after, reports written, and the chat plans, looks up and
    follows up, by rule.
    """
    planner = PlausiblePlanner()
    return [
        Route(schema="CallJudgement", mind=analyst),
        Route(schema="LifecycleReply", mind=CarefulSteward()),
        Route(schema="CampaignReportDraft", mind=PlausibleReporter()),
        Route(schema="PlannerReply", mind=planner),
        Route(tool="schedule_call_batch", mind=PlainBatchMind()),
        Route(tool="check_scheduled_call_status", mind=planner),
    ]
