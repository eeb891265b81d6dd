"""Linter for the Asterisk configuration OpenDeep dials through: what is dangerous, deaf or only default.

`lint(folder)` reads a folder such as /etc/asterisk (or the bundled asterisk/ once rendered) and returns
findings. Rules for ARI, HTTP, RTP and modules are here; trunk and dialplan are in asterisk_trunk.py, an Asterisk
that dials us is in asterisk_outbound.py.
Called by `opendeep doctor` and by the tests that keep our own files clean.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from app.doctor.asterisk_files import Document, Finding, Section, Setting, Severity, clean, finding, read
from app.doctor.asterisk_outbound import lint_outbound
from app.doctor.asterisk_secrets import file_mode, password_strength
from app.doctor.asterisk_trunk import lint_dialplan, lint_trunk, placeholders

__all__ = ["Finding", "Severity", "lint"]

LOOPBACK = ("127.", "::1", "[::1]", "localhost")
MIN_WRITE_TIMEOUT_MS = 1000
MIN_KEEP_ALIVE_MS = 11000
EPHEMERAL_PORT = 32768
DANGEROUS_MODULES = {
    "func_shell": "SHELL() runs programs",
    "app_system": "System() runs programs",
    "func_curl": "CURL() fetches any address",
    "func_env": "FILE() reads and writes files",
    "app_externalivr": "runs programs",
    "res_agi": "AGI runs programs",
    "app_originate": "the dialplan can dial by itself",
    "app_disa": "gives callers a dial tone",
    "pbx_spool": "files dropped in a folder dial",
    "pbx_lua": "a second dialplan",
    "pbx_ael": "a second dialplan",
    "pbx_realtime": "a second dialplan",
    "pbx_dundi": "dials for strangers",
    "chan_iax2": "an unused channel driver",
    "chan_unistim": "an unused channel driver",
    "chan_motif": "an unused channel driver",
    "res_phoneprov": "hands out configuration over HTTP",
    "res_http_post": "accepts uploads",
    "res_pjsip_endpoint_identifier_anonymous": "lets callers in without a name",
}


def lint(folder: Path) -> list[Finding]:
    """Findings for the Asterisk configuration in `folder`, worst first.

    Raises OSError when a file cannot be read. Without pjsip.conf or extensions.conf the bundled
    pjsip_trunk.conf and opendeep-extensions.conf are read in their place.
    """
    dialplan = read(folder, "extensions.conf", "opendeep-extensions.conf")
    trunk = read(folder, "pjsip.conf", "pjsip_trunk.conf", "pjsip_trunk.conf.example")
    findings = [
        *_document(folder, "ari.conf", _ari, required=True),
        *file_mode(folder / "ari.conf", "ARI", "ari-file-mode"),
        *_document(folder, "http.conf", _http, required=True),
        *_document(folder, "rtp.conf", _rtp, required=True),
        *_document(folder, "modules.conf", _modules),
        *_document(folder, "asterisk.conf", _asterisk),
        *_document(folder, "manager.conf", _manager),
        *lint_outbound(folder),
        *(lint_trunk(trunk, dialplan) if trunk else [_missing("pjsip.conf")]),
        *(lint_dialplan(dialplan) if dialplan else [_missing("extensions.conf")]),
    ]
    order = [Severity.FAIL, Severity.WARN, Severity.OK]
    return sorted(findings, key=lambda one: (order.index(one.severity), one.file, one.line))


def _document(
    folder: Path, name: str, rules: Callable[[Document], Iterator[Finding]], *, required: bool = False
) -> list[Finding]:
    document = read(folder, name)
    if document is None:
        return [_missing(name)] if required else []
    found = [*document.findings, *placeholders(document), *rules(document)]
    if any(one.severity is not Severity.OK for one in found):
        return found
    return [*found, clean(document)]


def _ari(document: Document) -> Iterator[Finding]:
    general = document.general()
    here = general.at("enabled")
    if not general.truthy("enabled", default=True):
        yield finding(Severity.FAIL, "ari-disabled", here, "ARI is switched off: set enabled = yes")
    origins = general.get("allowed_origins")
    if origins and "*" in origins.value:
        text = "any web page may use ARI from an operator's browser: remove allowed_origins"
        yield finding(Severity.FAIL, "ari-origins", origins, text)
    elif origins and origins.value:
        text = "no browser needs ARI here: remove allowed_origins"
        yield finding(Severity.WARN, "ari-origins", origins, text)
    if _number(general, "websocket_write_timeout", 100) < MIN_WRITE_TIMEOUT_MS:
        text = "Asterisk drops a client that is slow for 100 ms: set websocket_write_timeout = 2000"
        yield finding(Severity.WARN, "ari-write-timeout", general.at("websocket_write_timeout"), text)
    users = [one for one in document.live() if one.value("type") == "user"]
    if not users:
        text = "there is no ARI user: add the section [opendeep] with type = user"
        yield finding(Severity.FAIL, "ari-no-user", here, text)
    for user in users:
        yield from _ari_user(user, alone=len(users) == 1)


def _ari_user(user: Section, *, alone: bool) -> Iterator[Finding]:
    if user.truthy("read_only"):
        text = "read_only does not protect: such a user can still take over our event stream"
        text += ", and it cannot dial: set read_only = no" if alone else ": remove this user"
        yield finding(Severity.FAIL, "ari-read-only", user.at("read_only"), text)
    elif not alone:
        text = f"[{user.name}] is one of several ARI users, each of which controls the whole PBX: keep one"
        yield finding(Severity.WARN, "ari-many-users", user.at("type"), text)
    yield from _ari_password(user)
    if user.get("deny") is None and user.get("acl") is None:
        text = "the user may log in from anywhere: add deny = 0.0.0.0/0 and permit = 127.0.0.1/32"
        yield finding(Severity.WARN, "ari-acl", user.at("type"), text)
    permit = user.get("permit")
    if permit and permit.value.split("/")[0].strip() in ("0.0.0.0", "::"):  # noqa: S104 - looked for, not bound
        yield finding(Severity.FAIL, "ari-acl", permit, "the user may log in from anywhere: permit one address")


def _ari_password(user: Section) -> Iterator[Finding]:
    where = user.at("password")
    if user.value("password_format", "plain") != "crypt":
        yield from password_strength(where, user.name, "ARI", "ari-password")
    elif not user.value("password").startswith(("$", "@")):
        text = "password_format is crypt but this is no crypt hash: make one with mkpasswd -m sha-512"
        yield finding(Severity.FAIL, "ari-password", where, text)


def _http(document: Document) -> Iterator[Finding]:
    general = document.general()
    if not general.truthy("enabled"):
        text = "the HTTP server is off, so there is no ARI: set enabled = yes"
        yield finding(Severity.FAIL, "http-disabled", general.at("enabled"), text)
    address, where = general.value("bindaddr"), general.at("bindaddr")
    if not address:
        yield finding(Severity.FAIL, "http-open", where, "bindaddr has no default: set bindaddr = 127.0.0.1")
    elif not address.startswith(LOOPBACK):
        tls = general.truthy("tlsenable")
        text = "ARI is open to the network" + (", in clear text beside TLS" if tls else " without TLS")
        text += ": set bindaddr = 127.0.0.1" + (" and leave the network to tlsbindaddr" if tls else "")
        yield finding(Severity.WARN if tls else Severity.FAIL, "http-open", where, text)
    for key in ("enable_static", "enable_status"):
        if general.truthy(key):
            text = f"pages nobody needs are served: set {key} = no"
            yield finding(Severity.WARN, "http-pages", general.at(key), text)
    if _number(general, "sessionlimit", 100) < 100:
        text = "few sessions are shared by all HTTP clients: set sessionlimit = 200"
        yield finding(Severity.WARN, "http-sessions", general.at("sessionlimit"), text)
    if _number(general, "session_keep_alive", 15000) < MIN_KEEP_ALIVE_MS:
        text = "Asterisk closes idle connections before our 10 s and requests get lost: set 15000"
        yield finding(Severity.WARN, "http-keep-alive", general.at("session_keep_alive"), text)


def _rtp(document: Document) -> Iterator[Finding]:
    general = document.general()
    if general.truthy("icesupport", default=True):
        text = "ICE has deadlocked and crashed external media and serves no trunk: set icesupport = no"
        yield finding(Severity.WARN, "rtp-ice", general.at("icesupport"), text)
    strict = general.value("strictrtp", "yes").lower()
    if strict not in ("yes", "true", "on", "1", "y", "t", "seqno"):
        text = "anybody may speak into a call by sending packets to its port: set strictrtp = yes"
        yield finding(Severity.FAIL, "rtp-strict", general.at("strictrtp"), text)
    start, end = _number(general, "rtpstart", 5000), _number(general, "rtpend", 31000)
    if end - start < 100:
        text = "a call takes four ports: widen rtpstart to rtpend to at least 100"
        yield finding(Severity.WARN, "rtp-range", general.at("rtpend"), text)
    if end >= EPHEMERAL_PORT:
        text = f"the range reaches into the system's own ports: end it below {EPHEMERAL_PORT}"
        yield finding(Severity.WARN, "rtp-range", general.at("rtpend"), text)


def _modules(document: Document) -> Iterator[Finding]:
    section = next(iter(document.named("modules")), document.general())
    loaded = {_module(one): one for one in section.settings if one.key in ("load", "preload", "require")}
    refused = {_module(one) for one in section.settings if one.key == "noload"}
    autoload = section.truthy("autoload", default=True)
    for name, what in DANGEROUS_MODULES.items():
        if name in loaded and name not in refused:
            yield finding(Severity.WARN, "module", loaded[name], f"{name} is loaded ({what}): remove the line")
        elif autoload and name not in refused:
            text = f"{name} is loaded ({what}): add noload = {name}.so"
            yield finding(Severity.WARN, "module", section.at("autoload"), text)


def _asterisk(document: Document) -> Iterator[Finding]:
    for section in document.named("options"):
        if section.truthy("live_dangerously"):
            text = "an ARI client may run programs and read files of this machine: set live_dangerously = no"
            yield finding(Severity.FAIL, "live-dangerously", section.at("live_dangerously"), text)


def _manager(document: Document) -> Iterator[Finding]:
    general = document.general()
    if general.truthy("enabled"):
        local = general.value("bindaddr", "0.0.0.0").startswith(LOOPBACK)  # noqa: S104 - Asterisk's default
        text = "the manager interface is a second way to control the PBX"
        text += ": set enabled = no" if local else ", open to the network: set enabled = no"
        where = general.at("enabled")
        yield finding(Severity.WARN if local else Severity.FAIL, "manager", where, text)


def _module(setting: Setting) -> str:
    return setting.value.removesuffix(".so")


def _number(section: Section, key: str, default: int) -> int:
    value = section.value(key)
    return int(value) if value.isdecimal() else default


def _missing(name: str) -> Finding:
    where = Setting("", "", name, 0)
    return finding(Severity.FAIL, "missing", where, "there is no such file: see asterisk/README.md")
