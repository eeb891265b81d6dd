"""Reads a stream of server-sent events as it comes in pieces (WHATWG HTML, "Server-sent events"). Pure."""

from collections.abc import Iterator

import msgspec

MAX_LINE = 512 * 1024


class SseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `name` is `message` unless the stream says otherwise."""

    name: str = "message"
    data: str
    last_id: str = ""


class SseReader:
    """`feed` takes any pieces, cut anywhere; what is not ended by an empty line is no event."""

    def __init__(self) -> None:
        self.retry_ms: int | None = None
        """How long the server wants us to wait before the stream is asked for again."""
        self.last_id = ""
        self._line = bytearray()
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that this piece completes. A line longer than any message of ours is cut."""
        return [event for line in self._lines(piece) if (event := self._take(line)) is not None]

    def _lines(self, piece: bytes) -> Iterator[str]:
        start = 0
        if self._after_cr and piece:
            start = 1 if piece[:1] == b"\n" else 0
            self._after_cr = False
        while start < len(piece):
            ends = [at for at in (piece.find(b"\r", start), piece.find(b"\n", start)) if at >= 0]
            if not ends:
                self._line += piece[start:]
                del self._line[MAX_LINE:]
                return
            end = min(ends)
            line = bytes(self._line) + piece[start:end]
            self._line.clear()
            start = end + 1
            if piece[end : end + 1] == b"\r":
                if start == len(piece):
                    self._after_cr = True
                elif piece[start : start + 1] == b"\n":
                    start += 1
            if self._first:
                line, self._first = line.removeprefix(b"\xef\xbb\xbf"), False
            yield line.decode("utf-8", "replace")

    def _take(self, line: str) -> SseEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value[:9])
            case _:  # a comment, or a field of some later version
                pass
        return None

    def _dispatch(self) -> SseEvent | None:
        name, data, self._name, self._data = self._name, self._data, "", []
        if not data:
            return None
        return SseEvent(name=name or "message", data="\n".join(data), last_id=self.last_id)
