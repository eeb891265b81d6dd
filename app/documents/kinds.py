"""What a document is, by its name, by what a server says and by its first bytes. Pure."""

from typing import Literal

Kind = Literal["text", "html", "pdf", "docx"]
_BY_ENDING: dict[str, Kind] = {
    "txt": "text",
    "md": "text",
    "csv": "text",
    "json": "text",
    "html": "html",
    "htm": "html",
    "pdf": "pdf",
    "docx": "docx",
}
_BY_TYPE: dict[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/json": "text",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
}
READABLE = "txt, md, html, csv, json, pdf and docx"


def kind_of(name: str, content_type: str, body: bytes) -> Kind | None:
    """None: nothing that text can be taken from. The first bytes decide where they are clear, then the ending of
    the name, then the type a server gave (`content_type`, empty for files).
    """
    if body.startswith(b"%PDF-"):
        return "pdf"
    given = _BY_ENDING.get(name.rpartition(".")[2].lower() if "." in name else "")
    plain = content_type.partition(";")[0].strip().lower()
    if given is None:
        given = _BY_TYPE.get(plain)
    if given is None and plain.startswith("text/"):
        given = "text"
    if body.startswith(b"PK\x03\x04"):
        return "docx" if given == "docx" else None
    return None if given in ("pdf", "docx") else given


def decoded(body: bytes) -> str:
    """Bytes as text: UTF-8, UTF-16 with its mark, else the old one of Western Europe. Raises ValueError for bytes
    that are no text.
    """
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16")
    if b"\x00" in body:
        raise ValueError("it is no text")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")
