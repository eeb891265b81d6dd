"""Why a document cannot be had. The sentence names it, never the query of an address: that may be a key."""

from app.errors import AppError


class DocumentUnusable(AppError):
    """It is not there, may not be read, is too large, or has no text."""

    code = "document"
