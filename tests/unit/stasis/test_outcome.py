"""The outcome function, row by row."""

import pytest

from stasis.outcome import EndedBy, Evidence, Outcome, ended_by, outcome

CASES: list[tuple[Evidence, Outcome, EndedBy]] = [
    (Evidence(cause=16, ever_up=True, remote_hangup=True), Outcome.COMPLETED, EndedBy.CALLEE),
    (Evidence(cause=0, ever_up=True, remote_hangup=True), Outcome.COMPLETED, EndedBy.CALLEE),
    (Evidence(cause=16, ever_up=True), Outcome.COMPLETED, EndedBy.SYSTEM_TIMEOUT),
    (Evidence(cause=44, ever_up=True), Outcome.COMPLETED, EndedBy.NETWORK),
    (Evidence(cause=16, ever_up=True, our_hangup=EndedBy.AGENT), Outcome.COMPLETED, EndedBy.AGENT),
    (Evidence(cause=16, our_hangup=EndedBy.OPERATOR, ever_ringing=True), Outcome.CANCELED, EndedBy.OPERATOR),
    (Evidence(cause=17, our_hangup=EndedBy.AGENT), Outcome.CANCELED, EndedBy.AGENT),
    (Evidence(cause=16, our_hangup=EndedBy.SYSTEM_FAILURE), Outcome.FAILED, EndedBy.SYSTEM_FAILURE),
    (Evidence(cause=16, our_hangup=EndedBy.SYSTEM_TIMEOUT), Outcome.UNREACHABLE, EndedBy.SYSTEM_TIMEOUT),
    (Evidence(our_hangup=EndedBy.SYSTEM_TIMEOUT, ever_ringing=True), Outcome.NO_ANSWER, EndedBy.SYSTEM_TIMEOUT),
    (Evidence(our_hangup=EndedBy.SYSTEM_TIMEOUT, dialed=False), Outcome.CANCELED, EndedBy.SYSTEM_TIMEOUT),
    (Evidence(cause=17, tech_cause=486, remote_hangup=True), Outcome.BUSY, EndedBy.CALLEE),
    (Evidence(cause=19, tech_cause=480, ever_ringing=True), Outcome.NO_ANSWER, EndedBy.SYSTEM_TIMEOUT),
    (Evidence(cause=19, ever_ringing=True, remote_hangup=True), Outcome.NO_ANSWER, EndedBy.NETWORK),
    (Evidence(cause=21, tech_cause=603, remote_hangup=True), Outcome.REJECTED, EndedBy.CALLEE),
    (Evidence(cause=21, tech_cause=401), Outcome.TRUNK_FAULT, EndedBy.NETWORK),
    (Evidence(cause=21, tech_cause=407), Outcome.TRUNK_FAULT, EndedBy.NETWORK),
    (Evidence(cause=21, tech_cause=403, remote_hangup=True), Outcome.TRUNK_FAULT, EndedBy.NETWORK),
    (Evidence(cause=21, tech_cause=403, ever_ringing=True), Outcome.REJECTED, EndedBy.CALLEE),
    (Evidence(cause=21, tech_cause=603), Outcome.REJECTED, EndedBy.CALLEE),
    (Evidence(cause=0, last_dial="BUSY"), Outcome.BUSY, EndedBy.CALLEE),
    (Evidence(cause=0, last_dial="CONGESTION"), Outcome.NETWORK, EndedBy.NETWORK),
    (Evidence(cause=0, last_dial="CHANUNAVAIL"), Outcome.UNREACHABLE, EndedBy.NETWORK),
    (Evidence(cause=0, last_dial="NOANSWER"), Outcome.NO_ANSWER, EndedBy.SYSTEM_TIMEOUT),
    (Evidence(cause=0), Outcome.FAILED, EndedBy.NETWORK),
    (Evidence(cause=16, last_dial="NOANSWER"), Outcome.FAILED, EndedBy.NETWORK),
    (Evidence(cause=999), Outcome.FAILED, EndedBy.NETWORK),
    (Evidence(unseen=True), Outcome.LOST, EndedBy.NETWORK),
    (Evidence(unseen=True, ever_up=True), Outcome.LOST, EndedBy.NETWORK),
    *[(Evidence(cause=cause), Outcome.UNREACHABLE, EndedBy.NETWORK) for cause in (18, 19, 20, 27)],
    *[(Evidence(cause=cause), Outcome.BAD_NUMBER, EndedBy.NETWORK) for cause in (1, 2, 3, 22, 28)],
    *[(Evidence(cause=c), Outcome.NETWORK, EndedBy.NETWORK) for c in (34, 38, 41, 42, 44, 58, 88, 102, 127)],
]


@pytest.mark.parametrize(("evidence", "achieved", "by"), CASES)
def test_outcome(evidence: Evidence, achieved: Outcome, by: EndedBy) -> None:
    assert outcome(evidence) is achieved
    assert ended_by(evidence) is by


SIP_CAUSES = {
    480: (19, Outcome.UNREACHABLE),
    404: (1, Outcome.BAD_NUMBER),
    604: (1, Outcome.BAD_NUMBER),
    410: (22, Outcome.BAD_NUMBER),
    484: (28, Outcome.BAD_NUMBER),
    486: (17, Outcome.BUSY),
    600: (17, Outcome.BUSY),
    401: (21, Outcome.TRUNK_FAULT),
    403: (21, Outcome.TRUNK_FAULT),
    407: (21, Outcome.TRUNK_FAULT),
    603: (21, Outcome.REJECTED),
    408: (18, Outcome.UNREACHABLE),
    503: (34, Outcome.NETWORK),
    500: (38, Outcome.NETWORK),
    488: (58, Outcome.NETWORK),
    487: (127, Outcome.NETWORK),
}


@pytest.mark.parametrize("sip_status", SIP_CAUSES)
def test_the_causes_asterisk_makes_of_sip(sip_status: int) -> None:
    cause, achieved = SIP_CAUSES[sip_status]
    assert outcome(Evidence(cause=cause, tech_cause=sip_status)) is achieved
