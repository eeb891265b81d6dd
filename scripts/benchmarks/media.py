"""What one 20 ms frame costs in the media engine's parts, each as a ratio to a named baseline of the same run.

Baselines: soxr's stream resampler (HQ) for the polyphase bank, one call at a time for the batched G.711 tables.
CPU time of this process, median of the rounds.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from app.figures import Figure, Result
from media.g711 import ULAW
from media.jitter import JitterBuffer
from media.playout import Playout
from media.resample import PolyphaseBank, Resampler, SoxrBank
from media.rtp import RtpPacket, RtpSender, parse

ROUNDS, FRAMES = 7, 200


def run(calls: int) -> tuple[Result, ...]:
    """Cost per frame and call in microseconds for `calls` calls served together."""
    started = time.monotonic()
    rng = np.random.default_rng(7)
    results: list[Result] = []
    for rate_in, rate_out in ((8000, 24000), (24000, 8000), (16000, 24000), (24000, 16000)):
        frames = rng.integers(-8000, 8000, (calls, rate_in // 50), dtype=np.int16)
        ours = resampler_cost(PolyphaseBank(rate_in, rate_out, rows=calls), frames)
        soxr = resampler_cost(SoxrBank(rate_in, rate_out, rows=calls), frames)
        figures: dict[str, Figure] = {
            "us_per_frame": round(ours, 2),
            "soxr_us_per_frame": round(soxr, 2),
            "ratio": round(ours / soxr, 3),
        }
        results.append(Result(name=f"resample {rate_in}-{rate_out} against soxr", n=calls, figures=figures))
    results += [codec(calls), rtp_path()]
    return tuple(
        Result(name=r.name, n=r.n, seed=7, seconds=round(time.monotonic() - started, 2), figures=r.figures)
        for r in results
    )


def cpu_us(work: Callable[[], object], times: int) -> float:
    """Median CPU microseconds of one `work()`."""
    work()
    rounds: list[float] = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - begin) / times * 1e6)
    return median(rounds)


def resampler_cost(bank: Resampler, frames: np.ndarray) -> float:
    """CPU microseconds per call and frame."""
    rows = np.arange(len(frames))
    return cpu_us(lambda: bank.process(rows, frames), FRAMES // 4) / len(frames)


def codec(calls: int) -> Result:
    """G.711 decode: all calls in one batch against one call at a time."""
    codes = np.random.default_rng(3).integers(0, 256, (calls, 160), dtype=np.uint8)
    batched = cpu_us(lambda: ULAW.decode(codes), FRAMES) / calls
    single = cpu_us(lambda: ULAW.decode(codes[0]), FRAMES)
    figures: dict[str, Figure] = {
        "us_per_frame": round(batched, 2),
        "one_at_a_time_us": round(single, 2),
        "ratio": round(batched / single, 3),
    }
    return Result(name="G.711 decode, batch against one at a time", n=calls, figures=figures)


def rtp_path() -> Result:
    """Parse, jitter buffer, playout and send header of one frame both ways."""
    sender = RtpSender(ssrc=1, payload_type=0, sequence_number=0, timestamp=0, samples_per_frame=160)
    jitter = JitterBuffer(payload_types={0})
    playout = Playout(held=False)
    clock = [0.0]

    def frame() -> None:
        clock[0] += 0.02
        data = sender.packet(b"\x55" * 160)
        packet: RtpPacket = parse(data)
        for heard in jitter.push(packet, clock[0]):
            playout.enqueue("i", 0, heard.payload or b"")
        playout.next_frame(clock[0])

    return Result(
        name="RTP parse, jitter, playout, header", n=1, figures={"us_per_frame": round(cpu_us(frame, 2000), 2)}
    )
