"""Reads the field `text` out of a JSON object while it is still being written, for a reply that streams. Pure."""

import json
import re

_FIELD = re.compile(r'(?<!\\)"text"\s*:\s*"')
_OPEN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
"""An escape that is not finished yet."""
_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
"""The first half of a pair that makes one character."""
_END = re.compile(r'(?<!\\)(?:\\\\)*"')


class TextField:
    """`feed` takes pieces of JSON and gives the new characters of the text."""

    def __init__(self) -> None:
        self._raw = ""
        self._begin = -1
        self._told = 0
        self.done = False

    def feed(self, piece: str) -> str:
        """Whatever of the text became readable with this piece; nothing for JSON that is broken."""
        if self.done:
            return ""
        self._raw += piece
        if self._begin < 0:
            found = _FIELD.search(self._raw)
            if found is None:
                return ""
            self._begin = found.end()
        body = self._raw[self._begin :]
        end = _END.search(body)
        if end is not None:
            self.done = True
            body = body[: end.end() - 1]
        text = _decoded(body)
        fresh, self._told = text[self._told :], max(self._told, len(text))
        return fresh


def _decoded(body: str) -> str:
    """The characters of a JSON string without its quotes, as far as they are whole."""
    while True:
        backslashes = len(body) - len(body.rstrip("\\"))
        if backslashes % 2:
            body = body[:-1]
        cut = _HALF.sub("", body) if _HALF.search(body) else body
        open_escape = _OPEN.search(cut)
        if open_escape is not None and not _escaped(cut, open_escape.start()):
            cut = cut[: open_escape.start()]
        if cut == body:
            break
        body = cut
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError:
        return ""


def _escaped(text: str, at: int) -> bool:
    """Whether the backslash at `at` is itself the second of a pair."""
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
