"""Q.850 causes as Asterisk 22 reports them, and how SIP answers become causes (res_pjsip.c).

Read by the exchange for ChannelDestroyed, ChannelHangupRequest and the final Dial of a failed call.
"""

NORMAL_CLEARING = 16
USER_BUSY = 17
NO_ANSWER = 19
SOFT_HANGUP_FLAG = 32
"""The `cause` of a ChannelHangupRequest with `soft`: an internal flag of Asterisk, not a Q.850 cause."""

SIP_CAUSES: dict[int, int] = {
    401: 21,
    403: 21,
    404: 1,
    407: 21,
    408: 18,
    410: 22,
    480: 19,
    484: 28,
    486: 17,
    487: 127,
    488: 58,
    500: 38,
    503: 34,
    600: 17,
    603: 21,
    604: 1,
}

CAUSE_TEXTS: dict[int, str] = {
    1: "Unallocated (unassigned) number",
    3: "No route to destination",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    20: "Subscriber absent",
    21: "Call Rejected",
    22: "Number changed",
    26: "Answered elsewhere",
    27: "Destination out of order",
    28: "Invalid number format",
    31: "Normal, unspecified",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    41: "Temporary failure",
    42: "Switching equipment congestion",
    44: "Requested channel not available",
    58: "Bearer capability not available",
    88: "Incompatible destination",
    102: "Recover on timer expiry",
    127: "Interworking, unspecified",
}

HANGUP_REASONS: dict[str, int] = {
    "normal": 16,
    "busy": 17,
    "congestion": 34,
    "no_answer": 19,
    "timeout": 18,
    "rejected": 21,
    "unallocated": 1,
    "normal_unspecified": 31,
    "number_incomplete": 28,
    "codec_mismatch": 58,
    "interworking": 127,
    "failure": 38,
    "answered_elsewhere": 26,
}
"""`reason` of DELETE /channels/{channelId}."""

_CONGESTED = frozenset({34, 38, 41, 42, 44})


def cause_of_sip(status: int) -> int:
    """The cause of a SIP final answer; 127 for answers without an entry."""
    return SIP_CAUSES.get(status, 127)


def cause_text(cause: int) -> str:
    """`cause_txt` of ChannelDestroyed; 0 and unlisted causes are "Unknown"."""
    return CAUSE_TEXTS.get(cause, "Unknown")


def final_dial_status(cause: int) -> str:
    """The last `Dial` of a refused call. Rejected and unknown numbers are NOANSWER too, which misleads."""
    if cause == USER_BUSY:
        return "BUSY"
    return "CONGESTION" if cause in _CONGESTED else "NOANSWER"
