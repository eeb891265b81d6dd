"""The bundled dialplan as Asterisk would read it, in a few lines: contexts, includes and pattern matching.

Patterns: X Z N [..] one character, ! anything or nothing after, . at least one after. In one context
patterns of fixed length win over open ended ones; includes are tried in their order. That is all the file uses.
"""

import re
from pathlib import Path

FILE = Path(__file__).resolve().parents[3] / "asterisk" / "opendeep-extensions.conf"
CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", "!": ".*", ".": ".+"}


class Context:
    def __init__(self) -> None:
        self.includes: list[str] = []
        self.extensions: list[tuple[re.Pattern[str], bool, str]] = []

    def find(self, extension: str) -> str | None:
        """The application of priority 1 of the best match."""
        found = [(is_open, app) for pattern, is_open, app in self.extensions if pattern.fullmatch(extension)]
        return min(found)[1] if found else None


def expression(pattern: str) -> str:
    if not pattern.startswith("_"):
        return re.escape(pattern)
    parts = re.findall(r"\[[^\]]*\]|.", pattern[1:])
    return "".join(CLASSES.get(part, part if part.startswith("[") else re.escape(part)) for part in parts)


def read(file: Path = FILE) -> dict[str, Context]:
    contexts: dict[str, Context] = {}
    now = Context()
    for raw in file.read_text().splitlines():
        line = raw.split(";")[0].strip()
        if heading := re.fullmatch(r"\[([\w-]+)\]", line):
            now = contexts.setdefault(heading[1], Context())
        elif line.startswith("include =>"):
            now.includes.append(line.split("=>")[1].strip())
        elif line.startswith("exten =>"):
            pattern, priority, app = line.split("=>", 1)[1].strip().split(",", 2)
            if priority == "1":
                compiled = re.compile(expression(pattern), re.DOTALL)
                now.extensions.append((compiled, pattern[-1] in "!.", app))
    return contexts


class Dialplan:
    """Where a number ends: "send" (it would be dialed), "refused", "unlisted" or "none"."""

    def __init__(self, contexts: dict[str, Context], allowed: tuple[str, ...]) -> None:
        self.contexts = contexts
        site = Context()
        for pattern in allowed:
            site.extensions.append(
                (re.compile(expression(pattern)), pattern[-1] in "!.", "Goto(opendeep-send,${EXTEN},1)")
            )
        contexts["opendeep-allowed"] = site

    def verdict(self, number: str) -> str:
        app = self.search("opendeep-outbound", number)
        if app is None or not app.startswith("Goto(opendeep-policy"):
            return "none"
        digits = number[1:] if "${EXTEN:1}" in app else number
        for included in self.contexts["opendeep-policy"].includes:
            found = self.search(included, digits)
            if found is not None:
                return "send" if found.startswith("Goto(opendeep-send") else included.removeprefix("opendeep-")
        return "none"

    def search(self, name: str, extension: str) -> str | None:
        context = self.contexts[name]
        found = context.find(extension)
        if found is not None:
            return found
        return next((app for one in context.includes if (app := self.search(one, extension)) is not None), None)
