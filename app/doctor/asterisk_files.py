"""Reads Asterisk configuration files the way Asterisk does: includes, templates, additions, comments.

Grammar of main/config.c: `[name](!)` template, `[name](a,b)` inherits, `[name](+)` adds to an earlier section,
`key = value` or `key => value`, `;` comment, `;--` to `--;` block, `#include`, `#tryinclude`, `#exec`.
Used by the linter in app/doctor/asterisk_config.py and asterisk_trunk.py.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

MAX_DEPTH = 10
_HEADER = re.compile(r"\[([^\]]*)\]\s*(?:\(([^)]*)\))?")
_INCLUDE = re.compile(r'#\s*(include|tryinclude|exec)\s+[<"]?([^">\s]+)[">]?', re.IGNORECASE)
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})


class Severity(StrEnum):
    """`fail` endangers the PBX or the calls, `warn` should be put right, `ok` was checked and is fine."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One result: where, how bad, and in a sentence what to do. `line` is 0 for a whole file."""

    severity: Severity
    rule: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.severity:4} {self.file}:{self.line} {self.message} [{self.rule}]"


class Setting(msgspec.Struct, frozen=True):
    """One `key = value` line, the key in lower case."""

    key: str
    value: str
    file: str
    line: int

    @property
    def truthy(self) -> bool:
        return self.value.lower() in _TRUE


class Section(msgspec.Struct):
    """One `[name]`, inherited settings first. Sections of one name stay apart, as in pjsip.conf."""

    name: str
    file: str
    line: int
    template: bool
    settings: list[Setting]

    def get(self, key: str) -> Setting | None:
        """The setting that counts: the last one of that name."""
        return next((one for one in reversed(self.settings) if one.key == key), None)

    def value(self, key: str, default: str = "") -> str:
        found = self.get(key)
        return default if found is None else found.value

    def truthy(self, key: str, *, default: bool = False) -> bool:
        found = self.get(key)
        return default if found is None else found.truthy

    def at(self, key: str = "") -> Setting:
        """Where a finding about `key` points: its line, else the section's own."""
        return self.get(key) or Setting(key, "", self.file, self.line)


class Document(msgspec.Struct):
    """One configuration with everything it includes. `findings` are faults of the files themselves."""

    name: str
    sections: list[Section]
    findings: list[Finding]

    def whole(self) -> Setting:
        """Where a finding about the file as such points: line 0."""
        return Setting("", "", self.name, 0)

    def named(self, name: str) -> list[Section]:
        return [one for one in self.live() if one.name == name]

    def general(self) -> Section:
        """`[general]` or an empty stand-in on line 0 when the file has none."""
        return next(iter(self.named("general")), Section("general", self.name, 0, False, []))

    def live(self) -> Iterator[Section]:
        return (one for one in self.sections if not one.template)

    def settings(self) -> Iterator[Setting]:
        return (setting for section in self.live() for setting in section.settings)


def finding(severity: Severity, rule: str, where: Setting, message: str) -> Finding:
    """A finding that points at the line of `where`."""
    return Finding(severity=severity, rule=rule, file=where.file, line=where.line, message=message)


def clean(document: Document) -> Finding:
    """The `ok` for a file in which nothing was found."""
    return finding(Severity.OK, "clean", document.whole(), "nothing to change")


def read(folder: Path, *names: str) -> Document | None:
    """The first of `names` that exists in `folder`, with its includes; None when none does."""
    for name in names:
        if (folder / name).is_file():
            document = Document(name, [], [])
            _read_file(folder, folder / name, document, 0)
            return document
    return None


def _read_file(folder: Path, path: Path, document: Document, depth: int) -> None:
    name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in _lines(text):
        if line.startswith("#"):
            _directive(folder, document, line, (name, number, depth))
        elif line.startswith("["):
            _open_section(document, line, name, number)
        elif "=" in line and document.sections:
            key, _, value = line.partition("=")
            value = value.removeprefix(">").strip()
            document.sections[-1].settings.append(Setting(key.strip().lower(), value, name, number))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with text, comments removed; `\\;` is a semicolon, `;--` opens a block."""
    block = False
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw
        if block:
            _, closed, line = line.partition("--;")
            block = not closed
            if block:
                continue
        if line.lstrip().startswith(";--") and not line.lstrip().startswith(";---"):
            block = "--;" not in line
            continue
        kept = re.split(r"(?<!\\);", line, maxsplit=1)[0].replace("\\;", ";").strip()
        if kept:
            yield number, kept


def _open_section(document: Document, line: str, file: str, number: int) -> None:
    match = _HEADER.match(line)
    if match is None:
        document.findings.append(_broken(file, number, "this section header has no closing bracket: close it"))
        return
    name, options = match[1], [one.strip() for one in (match[2] or "").split(",") if one.strip()]
    known = [one for one in document.sections if one.name == name]
    if any(one.startswith("+") for one in options):
        if known:
            document.sections.remove(known[-1])
            document.sections.append(known[-1])
            return
        message = f"[{name}](+) adds to a section that does not exist yet: put it below the #include that has it"
        document.findings.append(_broken(file, number, message))
    section = Section(name, file, number, "!" in options, [])
    for base in options:
        for parent in [one for one in document.sections if one.name == base][-1:]:
            section.settings.extend(parent.settings)
    document.sections.append(section)


def _directive(folder: Path, document: Document, line: str, at: tuple[str, int, int]) -> None:
    file, number, depth = at
    match = _INCLUDE.match(line)
    if match is None:
        document.findings.append(_broken(file, number, f"Asterisk does not know this directive: {line}"))
    elif match[1].lower() == "exec":
        message = "#exec runs a program whenever the file is read: replace it by an #include of a plain file"
        where = Setting("", "", file, number)
        document.findings.append(finding(Severity.WARN, "exec", where, message))
    elif depth >= MAX_DEPTH:
        document.findings.append(_broken(file, number, "includes are nested too deeply, probably in a circle"))
    else:
        _include(folder, document, match, at)


def _include(folder: Path, document: Document, match: re.Match[str], at: tuple[str, int, int]) -> None:
    file, number, depth = at
    wanted = match[2]
    if wanted.startswith("/"):
        found = [Path(wanted)] if Path(wanted).is_file() else []
    else:
        found = sorted(one for one in folder.glob(wanted) if one.is_file())
    if not found and match[1].lower() == "include" and "*" not in wanted:
        message = f"{wanted} does not exist, so Asterisk refuses the whole {document.name}: create or remove it"
        document.findings.append(_broken(file, number, message))
    for path in found:
        _read_file(folder, path, document, depth + 1)


def _broken(file: str, line: int, message: str) -> Finding:
    return finding(Severity.FAIL, "syntax", Setting("", "", file, line), message)
