"""Pure: what codes of a call mean, in words for people."""

from collections.abc import Callable

from app.domain.number import mask_number

CAUSES: dict[int, str] = {
    1: "no such number",
    2: "no route to the network",
    3: "no route to the number",
    16: "normal clearing",
    17: "the line was busy",
    18: "nobody's telephone reacted",
    19: "it rang and nobody answered",
    20: "the subscriber was not reachable",
    21: "the call was rejected",
    22: "the number has changed",
    26: "answered elsewhere",
    27: "the destination is out of order",
    28: "the number is incomplete or has a wrong format",
    29: "the network refused a feature",
    31: "ended normally, no reason given",
    34: "no line was free",
    38: "the network is out of order",
    41: "a temporary fault of the network",
    42: "the exchange was overloaded",
    44: "the line that was asked for is not free",
    50: "the network does not offer this feature",
    52: "calls of this kind are barred",
    58: "this kind of connection is not available",
    66: "this channel type is not implemented",
    88: "the two sides cannot talk with each other",
    96: "a mandatory piece of the request was missing",
    102: "the network gave no answer in time",
    111: "a protocol error",
    127: "the networks could not work together",
}
"""Q.850 causes, as Asterisk reports them."""
VERDICTS: dict[str, str] = {
    "human": "a person",
    "machine": "an answering machine",
    "beep": "an answering machine, up to its beep",
    "ivr": "a telephone menu",
    "call_screening": "a screening assistant",
    "hold_music": "music on hold",
    "silence": "nobody spoke",
    "fax": "a fax machine",
    "network_tone": "an announcement or tone of the network",
    "uncertain": "not certain",
    "listening": "still listening",
}
JUDGED: dict[str, str] = {
    "success": "achieved",
    "partial": "partly achieved",
    "callback_requested": "wants to be called again",
    "voicemail": "voicemail",
    "not_available": "not available",
    "wrong_person": "wrong person",
    "refused": "refused",
    "opt_out": "wants no more calls",
    "cut_off": "cut off",
    "language_barrier": "no common language",
    "no_conversation": "no conversation",
    "other": "something else",
}
ACTIONS: dict[str, str] = {
    "MARK_JOB_COMPLETED_SUCCESS": "The task is done.",
    "SCHEDULE_JOB_RETRY": "They are called again.",
    "MARK_JOB_FAILED_MAX_RETRIES": "The task ends without success.",
    "ASK_USER": "A person has to say how it goes on.",
    "MARK_NUMBER_DO_NOT_CALL": "The number is on the do-not-call list.",
}
COMMANDS: dict[str, str] = {
    "send_dtmf": "press keys",
    "end_call": "end the call",
    "reschedule_call_trigger_analysis": "call again later",
    "transfer": "transfer",
    "hold": "hold",
    "unhold": "go on after hold",
    "mute": "mute the agent",
    "unmute": "let the agent be heard again",
    "say": "say",
    "whisper": "tell the agent",
    "take_over": "take over",
}
HAPPENED: dict[str, str] = {
    "leg_opened": "audio path prepared",
    "leg_ready": "speech model ready",
    "leg_failed": "speech model failed",
    "leg_closed": "audio path closed",
    "agent_speaking": "agent began to speak",
    "barge_in": "callee interrupted the agent",
    "dtmf_heard": "key heard on the audio path",
    "dtmf_in": "callee pressed",
    "dtmf_out": "agent pressed",
    "dtmf_failed": "keys could not be pressed",
    "answer_verdict": "who answered",
    "answer_treatment": "treatment of who answered",
    "fault": "fault",
    "tool_call": "agent used",
    "tool_refused": "refused",
    "tools_offered": "functions offered",
    "outside_tool": "other system asked",
    "errand_failed": "errand failed",
    "field_saved": "taken down",
    "no_input": "silence of the callee",
    "opt_out": "callee wants no more calls",
    "opt_out_listed": "number put on the do-not-call list",
    "feedback_unanswered": "nobody answered the agent's question",
    "command": "order of an operator",
    "callback_wished": "callee wants another time",
    "reschedule_wished": "operator wants another time",
    "voicemail_reported": "agent reported voicemail",
    "handed_over": "handed over to a person",
    "transfer_refused": "transfer refused",
    "adopted": "another control process took over",
    "media_gone": "media worker died",
    "media_back": "another media worker took over",
    "cost_limit": "cost limit reached",
    "document_missing": "a document could not be read",
    "recording_off": "not recorded",
    "report_refused": "a report did not fit",
    "late_end": "a second end was reported",
}
TRANSFER_STATES: dict[str, str] = {
    "dialing": "dialing",
    "ringing": "ringing",
    "answered": "answered",
    "consulting": "being asked",
    "joining": "being connected",
    "joined": "connected",
    "returning": "coming back",
    "over": "over",
}


def in_words(words: dict[str, str], code: str | None) -> str:
    """The words of a code; one that is not known is shown with blanks for its underscores."""
    return "" if not code else words.get(code, code.replace("_", " "))


def cause_in_words(cause: int | None) -> str:
    """A hangup cause as a sentence part with its number: `the line was busy (Q.850 cause 17)`."""
    if cause is None:
        return ""
    return f"{CAUSES.get(cause, 'a cause without a name of ours')} (Q.850 cause {cause})"


def masking(*, full: bool) -> Callable[[str], str]:
    """What makes texts fit to be shown: with `full` false every E.164 number in them is masked."""
    return (lambda text: text) if full else mask_numbers


def mask_numbers(text: str) -> str:
    """The text with every telephone number in it (`+` and 7 to 15 digits) masked."""
    if "+" not in text:
        return text
    out: list[str] = []
    at = 0
    while (plus := text.find("+", at)) >= 0:
        end = plus + 1
        while end < len(text) and text[end].isascii() and text[end].isdigit():
            end += 1
        number = text[plus:end]
        out += [text[at:plus], mask_number(number) if len(number) > 7 else number]
        at = end
    return "".join([*out, text[at:]])
