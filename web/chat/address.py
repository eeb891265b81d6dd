"""Pure: which addresses that others wrote may become links."""

from urllib.parse import urlsplit


def safe_href(ref: str) -> str:
    """`ref` if it is an address a person may follow, else "": http or https, a host, nobody's name before an @."""
    if any(sign <= " " or sign in "\\\"'<>`" or "\x7f" <= sign < "\xa0" for sign in ref):
        return ""
    try:
        parts = urlsplit(ref)
        named = bool(parts.hostname) and "@" not in parts.netloc and (parts.port or 1) > 0
    except ValueError:
        return ""
    return ref if parts.scheme in {"http", "https"} and named else ""
