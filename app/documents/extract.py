"""Takes the text out of one document: `python -m app.documents.extract KIND LIMIT < document`, text on stdout.

A program of its own, because a thread that reads a hostile file cannot be stopped and a program can: it has limits
on memory and processor time, no settings and no secrets. Exit status 3: no text can be taken from it.
"""

import html.parser
import io
import re
import resource
import sys
import zipfile
from collections.abc import Iterator

from app.documents.kinds import Kind, decoded

MEMORY_BYTES = 1024 * 1024 * 1024
PROCESSOR_S = 20
MAX_XML_BYTES = 20 * 1024 * 1024
UNREADABLE = 3
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SILENT = frozenset({"script", "style", "template", "noscript", "svg"})
_BLANKS = re.compile(r"\s+")
_INLINE = frozenset(
    {"a", "abbr", "b", "code", "em", "i", "mark", "q", "small", "span", "strong", "sub", "sup", "u"}
)
"""Every other element stands on lines of its own."""


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        if tag not in _INLINE:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _SILENT))
        if tag not in _INLINE:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(_BLANKS.sub(" ", data))


def text_of(kind: Kind, body: bytes, limit: int) -> str:
    """The text of a document, at most `limit` characters. Raises whatever the libraries raise."""
    match kind:
        case "text":
            return decoded(body)[:limit]
        case "html":
            page = _Page()
            page.feed(decoded(body))
            page.close()
            return _tidy("".join(page.pieces))[:limit]
        case "pdf":
            return _joined(_pdf_pages(body), limit)
        case "docx":
            return _joined(_docx_paragraphs(body), limit)


def _pdf_pages(body: bytes) -> Iterator[str]:
    from pypdf import PdfReader  # noqa: PLC0415 - other kinds need not wait for it

    for page in PdfReader(io.BytesIO(body)).pages:
        yield page.extract_text()


def _docx_paragraphs(body: bytes) -> Iterator[str]:
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415 - other kinds need not wait for it

    with zipfile.ZipFile(io.BytesIO(body)) as packed, packed.open("word/document.xml") as part:
        xml = part.read(MAX_XML_BYTES + 1)
    if len(xml) > MAX_XML_BYTES:
        raise ValueError("its text is too large")
    for paragraph in fromstring(xml).iter(f"{_WORD}p"):
        yield "".join(_run(node.tag, node.text or "") for node in paragraph.iter())


def _run(tag: str, text: str) -> str:
    match tag.removeprefix(_WORD):
        case "t":
            return text
        case "tab":
            return "\t"
        case "br" | "cr":
            return "\n"
        case _:
            return ""


def _joined(pieces: Iterator[str], limit: int) -> str:
    text = ""
    for piece in pieces:
        text += piece.rstrip() + "\n"
        if len(text) >= limit:
            break
    return text[:limit]


def _tidy(text: str) -> str:
    lines = (_BLANKS.sub(" ", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def main() -> None:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    kind, limit = sys.argv[1], int(sys.argv[2])
    assert kind in ("text", "html", "pdf", "docx"), kind
    try:
        text = text_of(kind, sys.stdin.buffer.read(), limit)
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes: it cannot be read
        print(type(error).__name__, file=sys.stderr)
        sys.exit(UNREADABLE)
    sys.stdout.buffer.write(text.encode("utf-8", errors="replace"))


if __name__ == "__main__":
    main()
