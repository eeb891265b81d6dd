"""Pure: what a `Range` header asks for (RFC 9110, section 14)."""

import msgspec

MOST_DIGITS = 18


class Span(msgspec.Struct, frozen=True):
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many."""
        return self.last - self.first + 1


def read_range(header: str | None, size: int) -> Span | bool | None:
    """One span of a file of `size` bytes; None: send everything; False: there is no such part (416).

    A header that is not understood, or asks for several spans, is as good as none, as the standard allows.
    """
    if header is None:
        return None
    unit, _, asked = header.strip().partition("=")
    first, dash, last = (part.strip() for part in asked.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or not _number(first, last):
        return None
    if first == "":
        if last == "":
            return None
        count = int(last)
        return Span(max(0, size - count), size - 1) if count and size else False
    begin = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < begin:
        return None
    return Span(begin, end) if begin < size else False


def _number(*parts: str) -> bool:
    return all(part == "" or (part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS) for part in parts)
