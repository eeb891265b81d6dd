"""Linter rules for the bundled contexts a site may have an older or a changed copy of: what lets our calls out
(`opendeep-send`) and what lets callers in (`opendeep-callers`, `opendeep-callback`). Called by asterisk_trunk.
"""

from collections.abc import Iterator

from app.doctor.asterisk_files import Document, Finding, Section, Severity, finding

SEND, CALLERS, CALLBACK, APOLOGY = "opendeep-send", "opendeep-callers", "opendeep-callback", "opendeep-apology"
_SEND_NEEDS = (
    ("OD_DIAL_DEADLINE", "gate-deadline", "an Asterisk that stood still dials when it wakes, with nobody to talk"),
    ("GROUP_COUNT(", "gate-cap", "nothing limits how many calls reach the trunk at once"),
    ("TIMEOUT(absolute)", "gate-timeout", "a call that nobody ends goes on for ever"),
)
_CALLBACK_NEEDS = (
    ("FILTER(0-9,${CALLERID(num)})", "callback-caller-id", "text of a stranger reaches the application"),
    ("TIMEOUT(absolute)", "callback-timeout", "callers ring for ever when the engine dies"),
    ("STASISSTATUS", "callback-silence", "callers hear nothing when no engine is there"),
    ("GROUP_COUNT(", "callback-cap", "nothing limits how many strangers ring at once"),
)


def lint_gate(document: Document) -> Iterator[Finding]:
    """Findings for the contexts of this module, where extensions.conf has them."""
    for section in document.named(SEND):
        yield from _needs(section, _SEND_NEEDS)
    for section in document.named(CALLBACK):
        yield from _needs(section, _CALLBACK_NEEDS)
    for section in document.named(CALLERS):
        yield from _callers(section)


def _needs(section: Section, wanted: tuple[tuple[str, str, str], ...]) -> Iterator[Finding]:
    text = "\n".join(setting.value for setting in section.settings)
    for words, rule, what in wanted:
        if words not in text:
            sentence = f"[{section.name}] does not use {words}: {what}. Take the bundled file"
            yield finding(Severity.FAIL, rule, section.at(), sentence)


def _callers(section: Section) -> Iterator[Finding]:
    """The site's own lines: each leads into opendeep-callback, with an application, and nowhere else."""
    for setting in section.settings:
        value = setting.value
        if setting.key == "include" or (setting.key in ("exten", "same") and f"Gosub({CALLBACK}," not in value):
            text = f"[{CALLERS}] is for callers: only Gosub({CALLBACK},s,1(<ARI_APP>,${{EXTEN}})) belongs here"
            yield finding(Severity.FAIL, "callers-target", setting, text)
        elif setting.key in ("exten", "same") and f"Gosub({CALLBACK},s,1(," in value.replace(" ", ""):
            text = "the line names no application, so callers hear the apology: put ARI_APP of the engine there"
            yield finding(Severity.WARN, "callers-app", setting, text)
