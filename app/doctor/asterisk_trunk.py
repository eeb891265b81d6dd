"""Linter rules for pjsip.conf and extensions.conf: the trunk we dial through and who else could use it.

The question behind most of them: can somebody who sends an INVITE, or a callee who redirects, make this PBX
dial at the owner's cost? Contexts are followed through include and Goto. Called by asterisk_config.lint.
"""

import re
from collections.abc import Iterator

from app.doctor.asterisk_files import Document, Finding, Section, Setting, Severity, clean, finding
from app.doctor.asterisk_gate import lint_gate

TRUNK = "opendeep-trunk"
CODECS = frozenset({"ulaw", "alaw", "g722"})
_PLACEHOLDER = re.compile(r"@[A-Z][A-Z_]*@")
_OPEN_PATTERN = re.compile(r"_(?:[XZN+]|\[[^\]]*\])*[.!]")
_TARGET = re.compile(r"\b(?:Goto|Gosub|GotoIf|GosubIf|GoSub)\(", re.IGNORECASE)
_DIALS = re.compile(r"\b(?:Dial|RetryDial|Originate|Page|DISA|Transfer)\(", re.IGNORECASE)
_RUNS = re.compile(r"\b(?:System|TrySystem|AGI|EAGI|DeadAGI|ExternalIVR)\(|\$\{SHELL\(", re.IGNORECASE)
_REFUSES = re.compile(r"(?:Hangup|NoOp|Verbose|Busy|Congestion|Wait|Log)\b", re.IGNORECASE)
MIN_PATTERN_DIGITS = 4


def placeholders(document: Document) -> Iterator[Finding]:
    """Every `@WORD@` that was not replaced."""
    for setting in document.settings():
        if _PLACEHOLDER.search(setting.value):
            text = f"{setting.key} still holds a placeholder: replace it by the value of your site"
            yield finding(Severity.FAIL, "placeholder", setting, text)


def lint_trunk(document: Document, dialplan: Document | None) -> list[Finding]:
    """Findings for pjsip.conf; `dialplan` tells what the trunk's context may do."""
    kinds = _by_type(document)
    found = [*document.findings, *placeholders(document)]
    trunks = [one for one in kinds.get("endpoint", []) if one.name == TRUNK]
    if not trunks:
        text = f"there is no endpoint [{TRUNK}]: include pjsip_trunk.conf (see asterisk/README.md)"
        found.append(finding(Severity.FAIL, "trunk-missing", document.whole(), text))
    for trunk in trunks:
        found += [*_audio(trunk), *_leg(trunk), *_contact(trunk, kinds.get("aor", []))]
        found += _auth(trunk, kinds.get("auth", []))
    found += _strangers(kinds)
    identified = {one.value("endpoint") for one in kinds.get("identify", [])} | {TRUNK, "anonymous"}
    for endpoint in kinds.get("endpoint", []):
        if endpoint.name in identified:
            found += _inbound(endpoint, dialplan)
    return found or [clean(document)]


def lint_dialplan(document: Document) -> list[Finding]:
    """Findings for extensions.conf."""
    found = [*document.findings, *placeholders(document)]
    dialling = _dialling_contexts(document)
    found += lint_gate(document)
    for section in document.live():
        found += _patterns(section, dials=section.name in dialling)
    for section in document.named("default"):
        if section.name in dialling:
            text = "[default] can dial, and it is where unconfigured endpoints land: move this elsewhere"
            found.append(finding(Severity.FAIL, "default-context", section.at(), text))
    for setting in document.settings():
        if _RUNS.search(setting.value):
            text = "the dialplan runs a program on this machine: remove it, or make sure no caller reaches it"
            found.append(finding(Severity.WARN, "dialplan-program", setting, text))
    return found or [clean(document)]


def _audio(trunk: Section) -> Iterator[Finding]:
    allowed = [w.strip().lower() for one in trunk.settings if one.key == "allow" for w in one.value.split(",")]
    strange = [one for one in allowed if one and one not in CODECS]
    where = trunk.at("allow")
    if strange or not allowed:
        said = f"the trunk offers {', '.join(strange)}" if strange else "the trunk offers no codec"
        text = f"{said}, which the engine cannot answer in: set disallow = all, allow = ulaw,alaw"
        yield finding(Severity.FAIL, "trunk-codec", where, text)
    if trunk.truthy("direct_media", default=True):
        text = "audio would go past us (direct_media defaults to yes): set direct_media = no"
        yield finding(Severity.FAIL, "trunk-direct-media", trunk.at("direct_media"), text)
    if trunk.value("dtmf_mode", "rfc4733") not in ("rfc4733", "auto", "auto_info"):
        text = "key presses would be tones in the audio: set dtmf_mode = rfc4733"
        yield finding(Severity.WARN, "trunk-dtmf", trunk.at("dtmf_mode"), text)


def _leg(trunk: Section) -> Iterator[Finding]:
    if trunk.truthy("allow_transfer", default=True):
        text = "a callee may send our leg to any number with REFER: set allow_transfer = no"
        yield finding(Severity.FAIL, "trunk-transfer", trunk.at("allow_transfer"), text)
    if trunk.value("redirect_method", "user") != "user":
        text = "a callee's redirect may name any address to dial: set redirect_method = user"
        yield finding(Severity.FAIL, "trunk-redirect", trunk.at("redirect_method"), text)
    if trunk.value("rtp_timeout", "0") == "0":
        text = "a call whose audio died stays up until its time is over: set rtp_timeout = 60"
        yield finding(Severity.WARN, "trunk-rtp-timeout", trunk.at("rtp_timeout"), text)


def _contact(trunk: Section, aors: list[Section]) -> Iterator[Finding]:
    names = [one.strip() for one in trunk.value("aors").split(",") if one.strip()]
    mine = [one for one in aors if one.name in names]
    if not any(one.get("contact") for one in mine):
        text = "the trunk has no contact, so every call ends in HTTP 500: add an aor with contact = sip:..."
        yield finding(Severity.FAIL, "trunk-contact", trunk.at("aors"), text)
    for aor in mine:
        if aor.get("contact") and aor.value("qualify_frequency", "0") == "0":
            text = "a dead line is noticed only by the first failed call: set qualify_frequency = 60"
            yield finding(Severity.WARN, "trunk-qualify", aor.at("qualify_frequency"), text)


def _auth(trunk: Section, auths: list[Section]) -> Iterator[Finding]:
    for auth in auths:
        if auth.name == trunk.value("outbound_auth") and auth.value("realm") in ("", "*"):
            text = "without a realm the password's hash is given to whoever asks: set realm to the carrier's"
            yield finding(Severity.WARN, "trunk-realm", auth.at("realm"), text)


def _strangers(kinds: dict[str, list[Section]]) -> Iterator[Finding]:
    for endpoint in kinds.get("endpoint", []):
        if endpoint.name == "anonymous":
            text = "[anonymous] lets anybody call in: remove the endpoint"
            yield finding(Severity.FAIL, "anonymous", endpoint.at(), text)
    for identify in kinds.get("identify", []):
        match = identify.get("match")
        if match and re.search(r"/0\b", match.value):
            text = "every address counts as this endpoint: name the carrier's addresses"
            yield finding(Severity.FAIL, "identify-any", match, text)


def _inbound(endpoint: Section, dialplan: Document | None) -> Iterator[Finding]:
    context, where = endpoint.value("context", "default"), endpoint.at("context")
    if context.startswith("stasis-"):
        text = f"{context} sends every caller into the application: set context = opendeep-inbound"
        yield finding(Severity.FAIL, "inbound-context", where, text)
    elif dialplan is not None and context in _dialling_contexts(dialplan):
        text = f"callers reach {context}, which can dial at your cost: set context = opendeep-inbound"
        yield finding(Severity.FAIL, "inbound-context", where, text)
    elif dialplan is not None and not dialplan.named(context):
        text = f"the dialplan has no context {context}: set context = opendeep-inbound"
        yield finding(Severity.WARN, "inbound-context", where, text)


def _patterns(section: Section, *, dials: bool) -> Iterator[Finding]:
    apps: dict[str, list[str]] = {}
    first: dict[str, Setting] = {}
    for pattern, app, setting in _extensions(section):
        apps.setdefault(pattern, []).append(app)
        first.setdefault(pattern, setting)
    for pattern, called in apps.items():
        if not _OPEN_PATTERN.fullmatch(pattern) or all(_REFUSES.match(one) for one in called):
            continue
        if len(re.sub(r"\[[^\]]*\]", "X", pattern)) - 2 < MIN_PATTERN_DIGITS:
            text = f"{pattern} takes any number and any text after it: write patterns of fixed length"
            severity = Severity.FAIL if dials else Severity.WARN
            yield finding(severity, "open-pattern", first[pattern], text)


def _extensions(section: Section) -> Iterator[tuple[str, str, Setting]]:
    """(pattern, application call, line) of every priority; `same` belongs to the pattern before."""
    pattern = ""
    for setting in section.settings:
        if setting.key == "exten":
            pattern, _, rest = setting.value.partition(",")
            yield pattern.split("/")[0], rest.partition(",")[2].strip(), setting
        elif setting.key == "same":
            yield pattern.split("/")[0], setting.value.partition(",")[2].strip(), setting


def _dialling_contexts(document: Document) -> set[str]:
    """Contexts from which a Dial (or the like) can be reached, through include and Goto."""
    leads: dict[str, set[str]] = {}
    dialling: set[str] = set()
    names = {one.name for one in document.live()}
    for section in document.live():
        targets = leads.setdefault(section.name, set())
        for setting in section.settings:
            if setting.key == "include":
                targets.add(setting.value.split(",")[0].split("|")[0].strip())
            elif setting.key in ("exten", "same"):
                if _DIALS.search(setting.value):
                    dialling.add(section.name)
                if _TARGET.search(setting.value):
                    targets |= {one for one in names if re.search(rf"[(?:]{re.escape(one)},", setting.value)}
    grown = True
    while grown:
        more = {name for name, targets in leads.items() if targets & dialling} - dialling
        dialling |= more
        grown = bool(more)
    return dialling


def _by_type(document: Document) -> dict[str, list[Section]]:
    kinds: dict[str, list[Section]] = {}
    for section in document.live():
        kinds.setdefault(section.value("type"), []).append(section)
    return kinds
