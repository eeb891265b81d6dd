"""Results of the audio benchmark: what was seen in a round, as figures beside their aims."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from app.figures import Figure, Result
from scripts.benchmarks.audio_baseline import Baseline
from scripts.benchmarks.audio_rounds import RING_MS, Plan, Round
from scripts.benchmarks.audio_views import SPEECH_DBFS, Cut, View

FIRST_WORD_MS, SILENCE_MS, POSITION_MS, DELAY_MS = 200.0, 60.0, 20.0, 60.0
MISSING_PER_1000 = 1.0
QUANTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


def spread(name: str, values: Sequence[float], digits: int = 2) -> dict[str, Figure]:
    """`<name>_p50_ms` and its like; empty without values."""
    if not len(values):
        return {}
    return {f"{name}_{key}_ms": round(float(np.percentile(values, q)), digits) for key, q in QUANTILES.items()}


def judged(done: Round, name: str, n: int, missed: object, figures: Mapping[str, Figure]) -> Result:
    """One result of a round; a call that could not be followed is a missed aim of every result."""
    extra: dict[str, Figure] = {"calls_missing": "; ".join(done.missing)} if done.missing else {}
    return Result(
        name=name,
        n=n,
        violations=int(bool(missed) or bool(done.missing) or not n),
        seed=done.plan.seed,
        seconds=round(done.seconds, 1),
        figures={**figures, **extra},
    )


def first_word(done: Round, views: Sequence[View]) -> Result:
    """200 OK on the wire -> first speech at the phone."""
    steps = [found for view in views if (found := view.first_word())]
    columns = {name: [step[name] for step in steps] for name in (steps[0] if steps else {})}
    figures: dict[str, Figure] = {}
    for name, values in columns.items():
        figures |= spread(name, values)
    figures |= {
        "silent_calls": len(views) - len(steps),
        "aim_first_word_p95_ms": FIRST_WORD_MS,
        "answer_clock": "kernel stamp of the 200 OK on the loopback interface, 1 us",
        "speech_is_above_dbfs": SPEECH_DBFS,
        "ring_ms": RING_MS,
        "model_first_delta_ms": done.plan.model["first_delta_ms"],
        "load_1min": round(os.getloadavg()[0], 2),
    }
    missed = len(steps) < len(views) or not at_most(figures.get("first_word_p95_ms"), FIRST_WORD_MS)
    return judged(done, f"first word, {done.plan.codec}", len(steps), missed, figures)


def barge_in(done: Round, views: Sequence[View]) -> Result:
    """The callee interrupts -> the last speech of the agent at the phone."""
    tried = [cut for view in views for cut in view.cuts()]
    cuts = [cut for cut in tried if cut is not None]
    figures: dict[str, Figure] = {
        **spread("callee_onset_to_silence", [cut.onset_to_silence_ms for cut in cuts]),
        **spread("speech_started_to_silence", [cut.speech_started_to_silence_ms for cut in cuts]),
        "not_interrupted": len(tried) - len(cuts),
        "aim_speech_started_to_silence_p95_ms": SILENCE_MS,
    }
    late = not at_most(figures.get("speech_started_to_silence_p95_ms"), SILENCE_MS)
    return judged(done, f"barge-in, {done.plan.codec}", len(cuts), late or len(cuts) < len(tried), figures)


def heard_position(done: Round, views: Sequence[View]) -> Result:
    """`audio_end_ms` of the truncate against what of the item arrived at the phone (negative: told less)."""
    cuts: list[Cut] = [cut for view in views for cut in view.cuts() if cut is not None]
    errors = [cut.position_error_ms for cut in cuts if cut.position_error_ms is not None]
    worst = max(map(abs, errors), default=0.0)
    g711 = done.plan.codec != "g722"
    figures: dict[str, Figure] = {
        "error_min_ms": min(errors, default=None),
        "error_p50_ms": float(np.median(errors)) if errors else None,
        "error_max_ms": max(errors, default=None),
        "without_truncate": len(cuts) - len(errors),
        "compared_by": "bytes" if g711 else "loudness, 20 ms; half of the fading frame counts",
        "aim_abs_error_max_ms": POSITION_MS,
    }
    missed = worst > POSITION_MS or len(errors) < len(cuts)
    return judged(done, f"heard position, {done.plan.codec}", len(errors), missed, figures)


def pacing(done: Round, views: Sequence[View], baseline: Baseline) -> Result:
    """Packets of the agent as they arrive at the phone."""
    gaps = np.concatenate([view.gaps_ms() for view in views]) if views else np.zeros(0)
    missing = sum(view.missing_slots(done.stalls) for view in views)
    figures: dict[str, Figure] = {
        **spread("gap", gaps.tolist()),
        "missing_slots": missing,
        "missing_slots_in_machine_stalls": sum(view.missing_slots() for view in views) - missing,
        "machine_stalls": len(done.stalls),
        "machine_stall_max_ms": round(max((one.until - one.since for one in done.stalls), default=0.0) * 1e3, 1),
        **spread("asterisk_alone_gap", baseline.gaps_ms),
        "aim_missing_slots_per_1000": MISSING_PER_1000,
    }
    missed = missing > MISSING_PER_1000 * gaps.size / 1000
    return judged(done, f"pacing at the phone, {done.plan.codec}", int(gaps.size), missed, figures)


def failed(plan: Plan, error: Exception) -> Result:
    """A round that came to no figures."""
    figures: dict[str, Figure] = {"failed": str(error) or type(error).__name__}
    return Result(name=f"round {plan.name}", violations=1, seed=plan.seed, figures=figures)


def delays(done: Round, views: Sequence[View], baseline: Baseline) -> tuple[Result, Result]:
    """Both directions."""
    up = [value for view in views for value in view.uplink_ms()]
    down = [value for view in views for value in view.downlink_ms()]
    return delay(done, "uplink", up, baseline.up_ms), delay(done, "downlink", down, baseline.down_ms)


def delay(done: Round, direction: str, total: Sequence[float], alone: Sequence[float]) -> Result:
    """One-way delay through Asterisk and engine, Asterisk alone, and what the engine adds."""
    plan = done.plan
    reference = plan.settings.get("resampler") == "soxr"
    figures = {**spread("delay", total), **spread("asterisk_alone", alone)}
    for key, q in (("p50", 50.0), ("p95", 95.0)):
        if len(total) and len(alone):
            whole, hop = float(np.percentile(total, q)), float(np.percentile(alone, q))
            figures[f"engine_share_{key}_ms"] = round(whole - hop, 2)
            figures[f"ratio_to_asterisk_alone_{key}"] = round(whole / hop, 1)
    figures |= spread("model_loop_late", done.model_lag_ms)
    missed = False
    if not reference:
        figures["aim_delay_p95_ms"] = DELAY_MS
        missed = not at_most(figures.get("delay_p95_ms"), DELAY_MS)
    kind = "soxr as the reference" if reference else PATHS[plan.codec]
    return judged(done, f"{direction} delay, {plan.codec}, {kind}", len(total), missed, figures)


PATHS = {"ulaw": "passed through", "alaw": "passed through", "g722": "24 kHz PCM by polyphase"}


def at_most(figure: Figure, limit: float) -> bool:
    """Whether a figure exists and keeps its aim."""
    return isinstance(figure, int | float) and figure <= limit
