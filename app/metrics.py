"""What an engine counts for Prometheus: names, units, meanings. The values are set where they arise.

One `Metrics` per engine, with a registry of its own. No label carries a number, a name or a tenant. Names follow
the conventions of Prometheus ("Metric and label naming"): base units, `_total` for what only grows.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from app.domain.call import CallEnd
from app.errors import ConfigError

_TURN_S = (0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
_LAG_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
_LATE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
OTHER = "other"
CODES = 40
"""More codes of faults than these are counted as `other`: a server may send any."""
_TALK_S = (5, 15, 30, 60, 120, 180, 300, 600, 1200)


class Metrics:
    """Everything that is counted; `registry` is what a scraper reads."""

    def __init__(self) -> None:
        at = CollectorRegistry()
        self.registry = at
        ProcessCollector(registry=at)
        PlatformCollector(registry=at)
        GCCollector(registry=at)
        Info("opendeep_build", "Version of this program.", registry=at).info({"version": version("opendeep")})
        self._codes: set[str] = set()
        self._count_calls(at)
        self._count_talks(at)
        self._show_state(at)

    def _count_calls(self, at: CollectorRegistry) -> None:
        self.calls_live = Gauge("opendeep_calls_live", "Calls of this engine in progress.", registry=at)
        self.call_slots = Gauge("opendeep_call_slots", "Calls at the same time that settings allow.", registry=at)
        self.calls_ended = Counter(
            "opendeep_calls_ended_total", "Attempts that ended.", ["outcome", "ended_by"], registry=at
        )
        self.talk_s = Histogram(
            "opendeep_talk_seconds", "From answer to end, of answered calls.", buckets=_TALK_S, registry=at
        )
        self.claim_lag_s = Histogram(
            "opendeep_claim_lag_seconds", "From when a task was due to its claim.", buckets=_LAG_S, registry=at
        )
        self.not_dialed = Counter(
            "opendeep_not_dialed_total",
            "Claimed tasks that admission did not let through, by its rule.",
            ["rule"],
            registry=at,
        )

    def _count_talks(self, at: CollectorRegistry) -> None:
        self.turn_s = Histogram(
            "opendeep_turn_seconds",
            "From the end of the callee's speech to the first sound of the agent, at our RTP socket.",
            buckets=_TURN_S,
            registry=at,
        )
        self.barge_ins = Counter("opendeep_barge_ins_total", "Turns of agents cut short by callees.", registry=at)
        self.tool_calls = Counter("opendeep_tool_calls_total", "Functions agents called.", ["tool"], registry=at)
        self.answered_by = Counter(
            "opendeep_answered_by_total", "Final verdicts on who answered.", ["verdict"], registry=at
        )
        self.model_faults = Counter(
            "opendeep_speech_faults_total", "Faults of speech model sessions, by code.", ["code"], registry=at
        )
        self.speech_usd = Counter(
            "opendeep_speech_cost_usd_total", "Cost of speech and transcription models.", ["model"], registry=at
        )

    def _show_state(self, at: CollectorRegistry) -> None:
        self.connected = Gauge(
            "opendeep_connected", "1 while this connection of the engine stands.", ["connection"], registry=at
        )
        self.tasks_due = Gauge(
            "opendeep_tasks_due", "Pending tasks whose time has come, all engines; at most 1000.", registry=at
        )
        self.oldest_due_s = Gauge(
            "opendeep_oldest_due_seconds", "How long the earliest of them has been due; 0: none is.", registry=at
        )
        self.unjudged = Gauge("opendeep_unjudged_calls", "Ended calls that wait for a judgement.", registry=at)
        self.questions = Gauge("opendeep_questions_waiting", "Questions of agents to people, open.", registry=at)
        self.media_late_s = Gauge(
            "opendeep_media_late_seconds",
            "Lateness of the media worker's audio, p99 and max.",
            ["at"],
            registry=at,
        )
        self.media_legs = Gauge("opendeep_media_legs", "Media legs of the worker.", registry=at)
        self.loop_late_s = Histogram(
            "opendeep_loop_late_seconds",
            "How late timers of the control process run.",
            buckets=_LATE_S,
            registry=at,
        )

    def code(self, code: str) -> str:
        """The label for a fault's code."""
        if code not in self._codes and len(self._codes) >= CODES:
            return OTHER
        self._codes.add(code)
        return code

    def ended(self, end: CallEnd) -> None:
        """An attempt ended and that is stored."""
        self.calls_ended.labels(end.outcome, end.ended_by).inc()
        if end.answered_ms is not None and end.ended_ms is not None:
            self.talk_s.observe(max(0, end.ended_ms - end.answered_ms) / 1000)

    @contextmanager
    def served(self, host: str, port: int) -> Generator[None]:
        """Answer scrapers at http://host:port/metrics from a thread, so that a busy loop is seen and not waited
        for. `port` 0: nobody listens. Raises ConfigError when the port is taken.
        """
        if not port:
            yield
            return
        try:
            server, thread = start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigError(
                [f"METRICS_PORT {port} on {host} cannot be listened on: {error.strerror}."]
            ) from None
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
