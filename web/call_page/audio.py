"""A recording over HTTP: whole or in parts, read a piece at a time in a thread."""

import asyncio
from collections.abc import AsyncGenerator

from litestar import MediaType, Response
from litestar.response import Stream

from app.store.recording_files import RecordingFile, read_at
from web.call_page.ranges import Span, read_range

PIECE_BYTES = 256 * 1024
WAV = "audio/wav"


def audio_response(
    file: RecordingFile, asked: str | None, only_if: str | None, name: str
) -> Stream | Response[str]:
    """`asked` is the Range header, `only_if` If-Range: a part of another state of the file is of no use."""
    tag = f'"{file.mark}"'
    headers = {
        "accept-ranges": "bytes",
        "etag": tag,
        "content-disposition": f'inline; filename="{name}"',
    }
    span = read_range(asked if only_if in {None, tag} else None, file.size)
    if span is False:
        headers["content-range"] = f"bytes */{file.size}"
        sentence = "The recording has no such part."
        return Response(sentence, status_code=416, headers=headers, media_type=MediaType.TEXT)
    whole = Span(0, file.size - 1)
    sent = span if isinstance(span, Span) else whole
    if span is not None:
        headers["content-range"] = f"bytes {sent.first}-{sent.last}/{file.size}"
    headers["content-length"] = str(sent.length)
    return Stream(_pieces(file, sent), status_code=206 if span else 200, headers=headers, media_type=WAV)


async def _pieces(file: RecordingFile, span: Span) -> AsyncGenerator[bytes]:
    at = span.first
    while at <= span.last:
        piece = await asyncio.to_thread(read_at, file, at, min(PIECE_BYTES, span.last - at + 1))
        if not piece:
            raise OSError("the recording became shorter while it was sent")
        at += len(piece)
        yield piece
