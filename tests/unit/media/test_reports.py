"""Numbering, keeping and forgetting of reports."""

from hypothesis import given
from hypothesis import strategies as st

from media.protocol import Fault, Levels, NumberedReport
from media.reports import ReportLog, first_seq


def fault(text: str = "") -> NumberedReport:
    return Fault(seq=0, call_id="c", at_unix_ms=0, code="x", message=text)


def levels() -> NumberedReport:
    return Levels(
        seq=0, call_id="c", at_unix_ms=0, callee_dbov=-30, agent_dbov=-30, jitter_ms=0, packets_lost=0, audio_ms=0
    )


def numbers(log: ReportLog) -> list[int]:
    return [kept.report.seq for kept in log.take(1000)]


def test_unacknowledged_reports_come_again_in_order_after_a_reconnect() -> None:
    log = ReportLog(100)
    for _ in range(5):
        log.add(fault(), 1)
    log.connected = True
    assert numbers(log) == [101, 102, 103, 104, 105]
    log.acknowledge(102)
    log.add(fault(), 2)
    log.disconnected()
    log.acknowledge(103)
    log.connected = True
    assert numbers(log) == [104, 105, 106]
    assert numbers(log) == []


def test_volatile_reports_are_kept_only_while_somebody_listens() -> None:
    log = ReportLog(0)
    log.add(levels(), 1)
    assert log.last_seq == 0
    log.connected = True
    log.add(levels(), 1)
    log.add(fault(), 1)
    log.disconnected()
    assert numbers(log) == [2]


def test_a_number_of_another_worker_forgets_nothing() -> None:
    log = ReportLog(first_seq(1_700_000_000_000))
    log.add(fault(), 1)
    log.acknowledge(first_seq(1_800_000_000_000))
    assert len(log) == 1
    log.acknowledge(first_seq(1_600_000_000_000))
    assert len(log) == 1


def test_memory_is_bounded_and_losses_are_counted() -> None:
    log = ReportLog(0, limit_bytes=10_000)
    for _ in range(100):
        log.add(fault("x" * 1000), 1)
    kept = numbers(log)
    assert log.lost == 100 - len(kept)
    assert 8 <= len(kept) <= 10
    assert kept[-1] == 100


@given(st.lists(st.sampled_from(["add", "take", "ack", "drop", "levels"]), max_size=80))
def test_every_durable_report_is_delivered_until_acknowledged(steps: list[str]) -> None:
    log = ReportLog(0)
    log.connected = True
    stored: set[int] = set()
    durable: set[int] = set()
    seen_on_this_connection: list[int] = []
    for step in steps:
        match step:
            case "add":
                log.add(fault(), 1)
                durable.add(log.last_seq)
            case "levels":
                log.add(levels(), 1)
            case "take":
                taken = [kept.report.seq for kept in log.take(3)]
                seen_on_this_connection += taken
                stored.update(taken)
            case "ack" if seen_on_this_connection:
                log.acknowledge(seen_on_this_connection[-1])
            case _:
                log.disconnected()
                log.connected = True
                seen_on_this_connection = []
        assert seen_on_this_connection == sorted(set(seen_on_this_connection))
    stored.update(numbers(log))
    assert durable <= stored
