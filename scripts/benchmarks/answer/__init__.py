"""`scripts/bench answer`: how well and how fast a leg knows who answered, over a generated clip set.

Aims: persons known in under 1.5 s (median), at least 95 % of machines known, at most 1 % of persons taken for one.
A message never begins before the beep has ended, and music alone is never a person in its first 3 s.
They are judged on the held-out third with words; sound alone and the AMD() rule of Asterisk stand beside.
"""

import time
from collections import Counter
from collections.abc import Callable
from statistics import median

import numpy as np

from app.figures import Figure, Result
from scripts.benchmarks.answer.clips import SEED, TRUTHS
from scripts.benchmarks.answer.heard import Heard, heard
from scripts.benchmarks.answer.judge import RIGHT, ROBOTS, Judged, baseline, supervised, transcripts
from scripts.benchmarks.answer.load import load

HUMAN_MEDIAN_MS, MACHINE_RECALL, HUMANS_AS_MACHINE = 1_500, 0.95, 0.01
MUSIC_MS = 3_000
WORD_ERRORS = (0.0, 0.1, 0.25)


def run(calls: int) -> tuple[Result, ...]:
    """All tables. `calls` is the batch size of the cost figures."""
    started = time.monotonic()
    everything = heard()
    ways: list[tuple[str, Callable[[Heard], Judged]]] = [
        ("AMD() rule", lambda one: baseline(one.clip, *one.amd)),
        ("sound alone", lambda one: supervised(one.clip, one.frames, [])),
    ]
    ways += [(f"sound and words, {rate:.0%} wrong", _with_words(rate)) for rate in WORD_ERRORS]
    results: list[Result] = []
    for name, way in ways:
        judged = [way(one) for one in everything]
        aimed = name == f"sound and words, {WORD_ERRORS[1]:.0%} wrong"
        held = [one for one in judged if one.clip.held]
        results += [*_tables(f"{name}, held out", held), _summary(f"{name}, held out", held, aimed=aimed)]
        results += [*_tables(f"{name}, all", judged), _summary(f"{name}, all", judged, aimed=False)]
    seconds = round(time.monotonic() - started, 1)
    made = Result(name="answer: clips", n=len(everything), seed=SEED, seconds=seconds, figures=_mix(everything))
    return (made, *results, *load(calls))


def _with_words(rate: float) -> Callable[[Heard], Judged]:
    return lambda one: supervised(one.clip, one.frames, transcripts(one.clip, rate, SEED))


def _mix(everything: list[Heard]) -> dict[str, Figure]:
    made = [one.clip for one in everything]
    return {
        "held_out": sum(clip.held for clip in made),
        "held_out_humans": sum(clip.held and clip.truth == "human" for clip in made),
        "recorded_voice": sum("recorded" in clip.name for clip in made),
        **Counter(clip.truth for clip in made),
    }


def _tables(name: str, judged: list[Judged]) -> list[Result]:
    """A row of the confusion table per class, with decision times."""
    rows: list[Result] = []
    for truth in TRUTHS:
        of_truth = [one for one in judged if one.clip.truth == truth]
        figures: dict[str, Figure] = dict(Counter(one.verdict for one in of_truth).most_common())
        times = [one.decided_ms for one in of_truth if one.decided_ms is not None]
        if times:
            figures |= {"decided_p50_ms": round(median(times)), "decided_p95_ms": round(np.percentile(times, 95))}
        rows.append(Result(name=f"answer: {name}: {truth}", n=len(of_truth), seed=SEED, figures=figures))
    return rows


def _summary(name: str, judged: list[Judged], *, aimed: bool) -> Result:
    humans = [one for one in judged if one.clip.truth == "human"]
    machines = [one for one in judged if one.clip.truth == "machine"]
    times = [one.decided_ms for one in humans if one.decided_ms is not None]
    after = [one.decided_ms - one.clip.turns[0].end_ms for one in humans if one.decided_ms and one.clip.turns]
    recall = sum(one.verdict in ROBOTS for one in machines) / len(machines)
    wrong = sum(bool(one.ever & ROBOTS) for one in humans) / len(humans)
    figures: dict[str, Figure] = {
        "human_median_ms": round(median(times)) if times else None,
        "human_after_first_words_median_ms": round(median(after)) if after else None,
        "machine_recall": round(recall, 4),
        "humans_ever_called_machine": round(wrong, 4),
        "machines_first_called_human": round(sum(one.first == "human" for one in machines) / len(machines), 4),
        "right": round(sum(one.verdict in RIGHT[one.clip.truth] for one in judged) / len(judged), 4),
        **_beeps(machines),
        **_music(judged),
        **_wakes(judged),
    }
    slow = not times or median(times) >= HUMAN_MEDIAN_MS
    early = figures.get("begun_before_beep_ended"), figures.get("music_alone_called_human_in_3_s")
    missed = [slow, recall < MACHINE_RECALL, wrong > HUMANS_AS_MACHINE, *map(bool, early)]
    violations = sum(missed) if aimed else 0
    return Result(name=f"answer: {name}", n=len(judged), violations=violations, seed=SEED, figures=figures)


def _beeps(machines: list[Judged]) -> dict[str, Figure]:
    """A message begins 300 ms after the beep, never before its end; a beep not heard makes it wait for silence."""
    beeped = [(one.messages_ms, one.clip.beep_end_ms) for one in machines if one.clip.beep_end_ms is not None]
    after = [
        next(at - end for at in messages if at >= end)
        for messages, end in beeped
        if max(messages, default=0) >= end
    ]
    if not after:
        return {}
    return {
        "beeps": len(beeped),
        "messages_after_beep": round(len(after) / len(beeped), 4),
        "after_beep_p50_ms": round(median(after)),
        "after_beep_p95_ms": round(np.percentile(after, 95)),
        "after_beep_over_1_s": sum(ms > 1_000 for ms in after),
        "begun_before_beep_ended": sum(at < end for messages, end in beeped for at in messages),
    }


def _music(judged: list[Judged]) -> dict[str, Figure]:
    """In its first seconds music is nobody. Announcements before it may have sounded like somebody."""
    music = [(one, one.clip.music_at_ms) for one in judged if one.clip.music_at_ms is not None]
    figures: dict[str, Figure] = {}
    for name, announced in (("music_alone", False), ("announced_music", True)):
        some = [
            (one.humans_ms, at)
            for one, at in music
            if any(turn.end_ms <= at for turn in one.clip.turns) is announced
        ]
        figures[name] = len(some)
        called = sum(any(at < ms <= at + MUSIC_MS for ms in humans) for humans, at in some)
        figures[f"{name}_called_human_in_3_s"] = called
    return figures


def _wakes(judged: list[Judged]) -> dict[str, Figure]:
    """A person who ends the music is heard soon; music wakes nobody."""
    holds = [one for one in judged if one.clip.truth == "hold_music" and one.verdict == "hold_music"]
    waits: list[int] = []
    early = 0
    for one in holds:
        begin = one.clip.person_at_ms
        early += sum(at < (begin or 10**9) for at in one.wakes_ms)
        waits += [at - begin for at in one.wakes_ms if begin is not None and at >= begin][:1]
    return {"wake_p50_ms": round(median(waits)), "woken_by_music": early} if waits else {}
