"""The Asterisk linter: our own files are clean, every seeded fault is found, files are read as Asterisk does."""

from pathlib import Path

import pytest

from app.doctor.asterisk_config import Finding, Severity, lint
from app.doctor.asterisk_files import read

BUNDLED = Path(__file__).parents[3] / "asterisk"
SITE = {
    "@ARI_PASSWORD@": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978",
    "@ARI_LISTEN_PASSWORD@": "8796a5b4c3d2e1f00f1e2d3c4b5a69780f1e2d3c4b5a6978",
    "@TRUNK_HOST@": "sip.carrier.example",
    "@TRUNK_USER@": "user",
    "@TRUNK_PASSWORD@": "pass",
    "@TRUNK_REALM@": "carrier.example",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The bundled configuration as a site would install it: rendered, in a subfolder, two #include lines."""
    (tmp_path / "opendeep").mkdir()
    for source in (*BUNDLED.glob("*.conf"), *BUNDLED.glob("*.conf.example")):
        text = source.read_text()
        for word, value in SITE.items():
            text = text.replace(word, value)
        name = source.name.removesuffix(".example")
        folder = tmp_path / "opendeep" if name.startswith(("pjsip", "opendeep")) else tmp_path
        (folder / name).write_text(text)
    (tmp_path / "ari.conf").chmod(0o640)
    (tmp_path / "websocket_client.conf").chmod(0o640)
    (tmp_path / "pjsip.conf").write_text("#include opendeep/pjsip_trunk.conf\n")
    (tmp_path / "extensions.conf").write_text(
        "#include opendeep/opendeep-extensions.conf\n[opendeep-allowed](+)\n"
        "exten => _49XXXXXXX!,1,Goto(opendeep-send,${EXTEN},1)\n"
    )
    (tmp_path / "asterisk.conf").write_text("[options]\nlive_dangerously = no\n")
    (tmp_path / "manager.conf").write_text("[general]\nenabled = no\n")
    return tmp_path


def bad(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity is not Severity.OK]


def test_our_own_configuration_is_clean(site: Path) -> None:
    findings = lint(site)
    assert bad(findings) == []
    assert {one.file for one in findings} == {
        *("ari.conf", "http.conf", "rtp.conf", "modules.conf", "asterisk.conf", "manager.conf"),
        *("pjsip.conf", "extensions.conf"),
    }


def test_as_shipped_it_is_refused() -> None:
    """Placeholders are no passwords."""
    placeholders = [one for one in lint(BUNDLED) if one.rule == "placeholder"]
    assert {one.file for one in placeholders} == {"ari.conf", "pjsip_trunk.conf.example"}
    assert all(one.severity is Severity.FAIL for one in placeholders)


TRUNK = "opendeep/pjsip_trunk.conf"
PLAN = "opendeep/opendeep-extensions.conf"
CALLERS = "[opendeep-callers]"
STRANGER = "match = 192.0.2.1\n[anonymous]\ntype = endpoint\ncontext = opendeep-inbound"
REFUSE_ALL = "exten => _[+0-9a-zA-Z]!,1,Hangup(21)"
FAIL, WARN = Severity.FAIL, Severity.WARN
FAULTS = [
    ("ari.conf", SITE["@ARI_PASSWORD@"], "@ARI_PASSWORD@", "placeholder", FAIL),
    ("ari.conf", SITE["@ARI_PASSWORD@"], "", "ari-password", FAIL),
    ("ari.conf", SITE["@ARI_PASSWORD@"], "asterisk", "ari-password", FAIL),
    ("ari.conf", SITE["@ARI_PASSWORD@"], "opendeep", "ari-password", FAIL),
    ("ari.conf", SITE["@ARI_PASSWORD@"], "k7Gz1Qp0", "ari-password", FAIL),
    ("ari.conf", "password_format = plain", "password_format = crypt", "ari-password", FAIL),
    ("ari.conf", "read_only = no", "read_only = yes", "ari-read-only", FAIL),
    ("ari.conf", "pretty = no", "allowed_origins = *", "ari-origins", FAIL),
    ("ari.conf", "pretty = no", "allowed_origins = https://x.example", "ari-origins", WARN),
    ("ari.conf", "websocket_write_timeout = 2000", "", "ari-write-timeout", WARN),
    ("ari.conf", "websocket_write_timeout = 2000", "websocket_write_timeout = 100", "ari-write-timeout", WARN),
    ("ari.conf", "permit = 127.0.0.1/32", "permit = 0.0.0.0/0", "ari-acl", FAIL),
    ("ari.conf", "deny = ", "; ", "ari-acl", WARN),
    ("ari.conf", "enabled = yes", "enabled = no", "ari-disabled", FAIL),
    ("ari.conf", "type = user", "type = other", "ari-no-user", FAIL),
    ("http.conf", "bindaddr = 127.0.0.1", "bindaddr = 0.0.0.0", "http-open", FAIL),
    ("http.conf", "bindaddr = 127.0.0.1", "bindaddr = 192.0.2.1", "http-open", FAIL),
    ("http.conf", "bindaddr = 127.0.0.1", "bindaddr = 0.0.0.0\ntlsenable = yes", "http-open", WARN),
    ("http.conf", "bindaddr = 127.0.0.1", "", "http-open", FAIL),
    ("http.conf", "enabled = yes", "", "http-disabled", FAIL),
    ("http.conf", "enable_status = no", "enable_status = yes", "http-pages", WARN),
    ("http.conf", "sessionlimit = 200", "sessionlimit = 20", "http-sessions", WARN),
    ("http.conf", "session_keep_alive = 15000", "session_keep_alive = 5000", "http-keep-alive", WARN),
    ("rtp.conf", "icesupport = no", "", "rtp-ice", WARN),
    ("rtp.conf", "icesupport = no", "icesupport = yes", "rtp-ice", WARN),
    ("rtp.conf", "strictrtp = yes", "strictrtp = no", "rtp-strict", FAIL),
    ("rtp.conf", "rtpend = 20000", "rtpend = 10010", "rtp-range", WARN),
    ("rtp.conf", "rtpend = 20000", "rtpend = 40000", "rtp-range", WARN),
    ("modules.conf", "autoload = no", "autoload = no\nload = func_shell.so", "module", WARN),
    ("modules.conf", "autoload = no", "autoload = yes", "module", WARN),
    ("asterisk.conf", "live_dangerously = no", "live_dangerously = yes", "live-dangerously", FAIL),
    ("manager.conf", "enabled = no", "enabled = yes", "manager", FAIL),
    ("manager.conf", "enabled = no", "enabled = yes\nbindaddr = 127.0.0.1", "manager", WARN),
    (TRUNK, "allow = ulaw,alaw", "allow = ulaw,slin16", "trunk-codec", FAIL),
    (TRUNK, "allow = ulaw,alaw", "allow = all", "trunk-codec", FAIL),
    (TRUNK, "allow = ulaw,alaw", "", "trunk-codec", FAIL),
    (TRUNK, "direct_media = no", "direct_media = yes", "trunk-direct-media", FAIL),
    (TRUNK, "direct_media = no", "", "trunk-direct-media", FAIL),
    (TRUNK, "allow_transfer = no", "", "trunk-transfer", FAIL),
    (TRUNK, "redirect_method = user", "redirect_method = uri_pjsip", "trunk-redirect", FAIL),
    (TRUNK, "rtp_timeout = 60", "", "trunk-rtp-timeout", WARN),
    (TRUNK, "dtmf_mode = rfc4733", "dtmf_mode = inband", "trunk-dtmf", WARN),
    (TRUNK, "contact = sip:sip.carrier.example:5060", "max_contacts = 1", "trunk-contact", FAIL),
    (TRUNK, "aors = opendeep-trunk", "", "trunk-contact", FAIL),
    (TRUNK, "qualify_frequency = 60", "qualify_frequency = 0", "trunk-qualify", WARN),
    (TRUNK, "qualify_frequency = 60", "", "trunk-qualify", WARN),
    (TRUNK, "realm = carrier.example", "realm =", "trunk-realm", WARN),
    (TRUNK, "match = sip.carrier.example", "match = 0.0.0.0/0", "identify-any", FAIL),
    (TRUNK, "match = sip.carrier.example", STRANGER, "anonymous", FAIL),
    (TRUNK, "context = opendeep-inbound", "context = opendeep-outbound", "inbound-context", FAIL),
    (TRUNK, "context = opendeep-inbound", "context = opendeep-transfer", "inbound-context", FAIL),
    (TRUNK, "context = opendeep-inbound", "context = stasis-opendeep-n1", "inbound-context", FAIL),
    (TRUNK, "context = opendeep-inbound", "", "inbound-context", WARN),
    (TRUNK, "[opendeep-trunk]", "[other]", "trunk-missing", FAIL),
    (PLAN, REFUSE_ALL, "exten => _X.,1,Dial(PJSIP/${EXTEN}@x)", "open-pattern", FAIL),
    (
        PLAN,
        "exten => _[+0-9a-zA-Z]!,1,Hangup(21)",
        "exten => _[+0-9]!,1,Dial(PJSIP/${EXTEN}@x)",
        "open-pattern",
        FAIL,
    ),
    (PLAN, REFUSE_ALL, "exten => _.,1,Answer()", "open-pattern", WARN),
    (PLAN, "${OD_DIAL_DEADLINE}", "", "gate-deadline", FAIL),
    (PLAN, "${GROUP_COUNT(opendeep-outbound)}", "0", "gate-cap", FAIL),
    (PLAN, "${GROUP_COUNT(opendeep-inbound)}", "0", "callback-cap", FAIL),
    (PLAN, "Set(TIMEOUT(absolute)=60)", "NoOp()", "callback-timeout", FAIL),
    (PLAN, "${FILTER(0-9,${CALLERID(num)})}", "${CALLERID(num)}", "callback-caller-id", FAIL),
    (PLAN, '"${STASISSTATUS}" = "FAILED"', "1 = 0", "callback-silence", FAIL),
    (PLAN, CALLERS, f"{CALLERS}\nexten => 12025550199,1,Dial(PJSIP/1)", "callers-target", FAIL),
    (PLAN, CALLERS, f"{CALLERS}\nexten => 12025550199,1,Dial(PJSIP/1)", "inbound-context", FAIL),
    (PLAN, CALLERS, f"{CALLERS}\ninclude => opendeep-outbound", "inbound-context", FAIL),
    (PLAN, CALLERS, f"{CALLERS}\nexten => 1,1,Gosub(opendeep-callback,s,1(,x))", "callers-app", WARN),
    (PLAN, "[opendeep-test]", "[default]\ninclude => opendeep-outbound", "default-context", FAIL),
    (PLAN, "exten => busy,1,Busy(5)", "exten => busy,1,System(reboot)", "dialplan-program", WARN),
    ("extensions.conf", "#include opendeep/", "#include missing/", "syntax", FAIL),
    ("extensions.conf", "#include opendeep/opendeep-extensions.conf", "#exec /bin/date", "exec", WARN),
    ("extensions.conf", "#include opendeep/opendeep-extensions.conf", "", "syntax", FAIL),
    ("pjsip.conf", "#include", "#incline", "syntax", FAIL),
    ("http.conf", "[general]", "[general", "syntax", FAIL),
]


def dial_us(site: Path) -> None:
    """Take the comment marks of the last section of ari.conf away, as its words say."""
    text = (site / "ari.conf").read_text()
    head, mark, section = text.partition(";[opendeep-events]")
    (site / "ari.conf").write_text(head + (mark + section).replace("\n;", "\n").removeprefix(";"))


def test_an_asterisk_that_dials_us_is_clean_as_described(site: Path) -> None:
    dial_us(site)
    findings = lint(site)
    assert bad(findings) == []
    assert "websocket_client.conf" in {one.file for one in findings}


OUTBOUND_FAULTS = [
    ("ari.conf", "local_ari_user = opendeep", "local_ari_user = somebody", "ws-user", FAIL),
    ("ari.conf", "apps = opendeep-main", "apps = opendeep-main, opendeep-2", "ws-apps", FAIL),
    ("ari.conf", "apps = opendeep-main", "apps =", "ws-apps", FAIL),
    ("ari.conf", "websocket_client_id = opendeep", "websocket_client_id = nobody", "ws-client", FAIL),
    ("websocket_client.conf", "type = websocket_client", "type = other", "ws-client", FAIL),
    ("websocket_client.conf", "= persistent", "= per_call_config", "ws-type", FAIL),
    ("websocket_client.conf", "protocols = ari", "", "ws-protocol", FAIL),
    ("websocket_client.conf", "8765/ari", "8765/", "ws-uri", FAIL),
    ("websocket_client.conf", "ws://127.0.0.1", "http://127.0.0.1", "ws-uri", FAIL),
    ("websocket_client.conf", "ws://127.0.0.1", "ws://192.0.2.1", "ws-clear", FAIL),
    ("websocket_client.conf", "ws://127", "wss://127", "ws-verify", None),
    ("websocket_client.conf", "uri = ws:", "verify_server_cert = no\nuri = wss:", "ws-verify", FAIL),
    ("websocket_client.conf", SITE["@ARI_LISTEN_PASSWORD@"], "short", "ws-password", FAIL),
    ("websocket_client.conf", SITE["@ARI_LISTEN_PASSWORD@"], "@ARI_LISTEN_PASSWORD@", "placeholder", FAIL),
    ("websocket_client.conf", "reconnect_interval = 500", "reconnect_interval = 5000", "ws-reconnect", WARN),
    ("websocket_client.conf", "[opendeep]", "[opendeep", "syntax", FAIL),
]


@pytest.mark.parametrize(("file", "old", "new", "rule", "severity"), OUTBOUND_FAULTS)
def test_each_fault_of_an_asterisk_that_dials_us_is_found(
    site: Path, file: str, old: str, new: str, rule: str, severity: Severity | None
) -> None:
    text = (site / file).read_text()
    assert old in text
    (site / file).write_text(text.replace(old, new))
    assert not [one for one in bad(lint(site)) if one.rule == rule], "silent while the section is a comment"
    dial_us(site)
    found = {one.severity for one in bad(lint(site)) if one.rule == rule}
    assert found == ({severity} if severity else set())


def test_without_its_file_the_client_is_missing(site: Path) -> None:
    dial_us(site)
    (site / "websocket_client.conf").chmod(0o644)
    assert "ws-file-mode" in {one.rule for one in bad(lint(site))}
    (site / "websocket_client.conf").unlink()
    assert [one.rule for one in bad(lint(site))] == ["ws-client"]


@pytest.mark.parametrize(("file", "old", "new", "rule", "severity"), FAULTS)
def test_each_fault_is_found(site: Path, file: str, old: str, new: str, rule: str, severity: Severity) -> None:
    path = site / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = [one for one in bad(lint(site)) if one.rule == rule]
    assert found, f"{rule} not reported"
    assert severity in {one.severity for one in found}
    for one in found:
        assert (site / one.file).is_file()
        assert 0 <= one.line <= len((site / one.file).read_text().splitlines())
        assert one.message


def test_a_finding_points_at_its_line(site: Path) -> None:
    path = site / TRUNK
    path.write_text(path.read_text().replace("direct_media = no", "direct_media = yes"))
    (finding,) = bad(lint(site))
    assert (finding.file, path.read_text().splitlines()[finding.line - 1]) == (TRUNK, "direct_media = yes")
    assert str(finding).startswith(f"fail {TRUNK}:{finding.line} ")


def test_the_context_is_followed_through_include_and_goto(site: Path) -> None:
    (site / "extensions.conf").write_text(
        (site / "extensions.conf").read_text()
        + "[home]\nexten => s,1,Goto(house,1,1)\n[house]\ninclude => attic\n"
        "[attic]\nexten => 1,1,NoOp()\n same => n,Dial(PJSIP/1@opendeep-trunk)\n"
    )
    (site / TRUNK).write_text((site / TRUNK).read_text().replace("context = opendeep-inbound", "context = home"))
    assert [one.rule for one in bad(lint(site))] == ["inbound-context"]


def test_a_second_ari_user_and_an_open_file(site: Path) -> None:
    path = site / "ari.conf"
    path.write_text(
        path.read_text() + "[watcher]\ntype = user\nread_only = yes\ndeny = 0.0.0.0/0\npassword = " + "x" * 40
    )
    path.chmod(0o644)
    assert {one.rule for one in bad(lint(site))} == {"ari-many-users", "ari-read-only", "ari-file-mode"}


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    findings = lint(tmp_path)
    assert {one.rule for one in findings} == {"missing"}
    assert {one.file for one in findings} == {"ari.conf", "http.conf", "rtp.conf", "pjsip.conf", "extensions.conf"}


def test_files_are_read_like_asterisk_reads_them(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.conf").write_text("[b](base,!)\nkey=no\n[c](base)\n key => 2 ; two\n")
    (tmp_path / "a.conf").write_text(
        "; comment\n;--- not a block\n[base](!)\nKey = 1\nlist=a\\;b\n;-- a\nblock [x]\n--;\n"
        '#include "more/*.conf"\n#tryinclude nothing.conf\n[c](+)\nadded=yes\n'
    )
    document = read(tmp_path, "absent.conf", "a.conf")
    assert document is not None
    assert document.findings == []
    (section,) = document.live()
    assert (section.name, section.file, section.line) == ("c", "more/b.conf", 3)
    assert [(one.key, one.value) for one in section.settings] == [
        *(("key", "1"), ("list", "a;b"), ("key", "2"), ("added", "yes"))
    ]
    assert section.value("key") == "2"
    assert section.truthy("added")
    assert not section.truthy("absent")


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("#include a.conf\n")
    document = read(tmp_path, "a.conf")
    assert document is not None
    assert [one.rule for one in document.findings] == ["syntax"]
