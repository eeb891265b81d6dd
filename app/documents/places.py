"""Where documents are: files of a tenant's folder, https addresses, objects of the configured store."""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from app.documents.errors import DocumentUnusable
from app.guarded_http import FetchFailed, GuardedClient, HostRules, UrlRefused
from app.guarded_http.rules import origin_of

MAX_BYTES = 5 * 1024 * 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
_NO_LINKS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """A document as it lies there."""

    content_type: str
    body: bytes


def is_address(path: str) -> bool:
    """Whether something has to be asked for over the network."""
    return "://" in path


def name_of(path: str) -> str:
    """What people call the document: the last part of its path, without what may be a key."""
    shown = unquote(urlsplit(path).path) if is_address(path) else path
    return shown.rstrip("/").rpartition("/")[2][:120] or "document"


def read_file(folder: Path, path: str) -> Found:
    """A file below `folder`. No link is followed on the way to it, so nothing outside can be reached, whatever
    somebody puts into the folder meanwhile. Raises DocumentUnusable. Blocking: run it in a thread.
    """
    parts = path.split("/")
    if path.startswith("/") or "\x00" in path or not all(part not in ("", ".", "..") for part in parts):
        raise DocumentUnusable(f"{path[:200]!r} is not a path below the folder of documents.")
    opened: list[int] = []
    try:
        opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in parts[:-1]:
            opened.append(os.open(part, _NO_LINKS | os.O_DIRECTORY, dir_fd=opened[-1]))
        opened.append(os.open(parts[-1], _NO_LINKS | os.O_NONBLOCK, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            raise DocumentUnusable(f"{path} is no file.")
        with os.fdopen(opened.pop(), "rb") as file:
            body = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentUnusable(f"{path} cannot be read from the folder of documents: {_why(error)}.") from None
    finally:
        for one in reversed(opened):
            os.close(one)
    if len(body) > MAX_BYTES:
        raise DocumentUnusable(f"{path} has more than {MAX_BYTES // 1024 // 1024} MiB.")
    return Found("", body)


async def fetch(client: GuardedClient, path: str, s3_endpoint: str) -> Found:
    """A document of an https address or an s3://bucket/key. Raises DocumentUnusable."""
    name, rules, url = name_of(path), HostRules(), path
    is_object = path.lower().startswith("s3://")
    try:
        if is_object:
            url = object_url(path, s3_endpoint)
            rules = HostRules(trusted=frozenset({origin_of(url)}))
        found = await client.fetch(url, rules)
    except (UrlRefused, FetchFailed) as error:
        raise DocumentUnusable(f"{name} cannot be had: {error.message}") from None
    if found.status != 200:
        hint = ""
        if is_object and found.status in (401, 403):
            hint = " Only public objects are read; of others give a presigned https address."
        raise DocumentUnusable(f"{name} cannot be had: the server answered {found.status}.{hint}")
    return Found(found.content_type, found.body)


def object_url(path: str, endpoint: str) -> str:
    """s3://bucket/key as an address of the endpoint, bucket in the path. Raises DocumentUnusable."""
    bucket, _, key = path[len("s3://") :].partition("/")
    if not endpoint:
        raise DocumentUnusable(f"{name_of(path)} is in an object store; set S3_ENDPOINT to say which.")
    if _BUCKET.fullmatch(bucket) is None or ".." in bucket or not key or {".", ".."} & {*key.split("/")}:
        raise DocumentUnusable(f"{path[:200]!r} is no s3://bucket/key.")
    return f"{endpoint.rstrip('/')}/{quote(bucket, safe='')}/{quote(key)}"


def _why(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "it may not be read"
        case _ if error.errno in (40, 20):  # ELOOP, ENOTDIR: a link where a folder or file was to be
            return "links are not followed"
        case _:
            return os.strerror(error.errno or 0).lower()
