"""A copy of an installation on SQLite, made while it runs, checked, and put back. Blocks: for a command.

A copy is a folder: `opendeep.db` (SQLite's online backup: one committed state), `recordings/` and `documents/` as
far as that state knows them, `manifest.json` with a hash of every file. It is written beside its place and renamed
when it is whole, so a folder of that name is never half a copy. Settings and secrets (`.env`) are not in it.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.store.holds import ON_EVERY_TENANT

DATABASE = "opendeep.db"
MANIFEST = "manifest.json"
RESTORED = "restored"
"""Code of the hold on every tenant's dialing after a restore."""
LATER_MISSING = (
    "The data are those of a backup. Calls made since are not in it, nor are do-not-call entries, withdrawn "
    "consents and erasures: enter those first (page Do not call, opendeep consent withdraw, opendeep erase), and "
    "cancel the tasks that are done. Sign-ins and API keys that were withdrawn since work again."
)
"""What a person has to do before anybody is dialed again."""
_CHUNK = 1 << 20


class Kept(msgspec.Struct, frozen=True):
    """One file of a copy; `name` is its path inside the folder."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy holds. `missing`: recordings the database names and nobody found."""

    made_ms: int
    program: str
    schema: int
    tasks: int
    calls: int
    files: tuple[Kept, ...]
    missing: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.files)


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts of a running installation lie."""

    database: Path
    recordings: Path
    documents: Path


def copy(source: Installation, target: Path, *, made_ms: int, program: str, recordings: bool = True) -> Manifest:
    """Make the copy `target`. Raises ConflictError when it exists, NotFoundError without a database, OSError."""
    if target.exists():
        raise ConflictError(f"{target} exists already; a copy is never written over another.")
    if not source.database.exists():
        raise NotFoundError(f"There is no database {source.database}; is DATA_DIR right?")
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700, parents=True)
    schema, counts, named = _copy_database(source.database, partial / DATABASE)
    missing: list[str] = []
    if recordings:
        found = {name: source.recordings / name for name in named}
        missing = [name for name, path in found.items() if not path.is_file()]
        _copy_files(((path, Path("recordings") / name) for name, path in found.items() if path.is_file()), partial)
    _copy_files(
        ((path, Path("documents") / path.relative_to(source.documents)) for path in _all(source.documents)),
        partial,
    )
    kept = tuple(_kept(partial, path) for path in sorted(_all(partial)))
    manifest = Manifest(
        made_ms=made_ms,
        program=program,
        schema=schema,
        tasks=counts[0],
        calls=counts[1],
        files=kept,
        missing=tuple(missing),
    )
    _write(partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    partial.rename(target)
    return manifest


def check(folder: Path) -> Manifest:
    """Read every file of a copy again. Raises ValidationFailed naming what is damaged, NotFoundError."""
    manifest = _read(folder)
    for one in manifest.files:
        path = folder / one.name
        if ".." in path.parts or not path.is_relative_to(folder):
            raise ValidationFailed(f"{folder}: {MANIFEST} names a file outside, {one.name!r}.")
        if not path.is_file() or _kept(folder, path) != one:
            raise ValidationFailed(f"{folder}: {one.name} is {'damaged' if path.is_file() else 'missing'}.")
    with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro&immutable=1", uri=True)) as database:
        _whole(database, folder)
    return manifest


def restore(folder: Path, target: Installation, *, now_ms: int) -> Manifest:
    """Put a copy into an empty installation, and hold every tenant's dialing: who was called since the copy was
    made is not known in it. Raises ConflictError when there is a database, ValidationFailed, NotFoundError.
    """
    manifest = check(folder)
    for suffix in ("", "-wal", "-shm", "-journal"):  # a log that was left would be played into the restored file
        there = target.database.with_name(target.database.name + suffix)
        if os.path.lexists(there):
            raise ConflictError(f"{there} exists; move DATA_DIR away first, nothing is written over it.")
    places = {"recordings": target.recordings, "documents": target.documents}
    for one in manifest.files:
        head, _, rest = one.name.partition("/")
        if head in places:
            _copy_file(folder / one.name, places[head] / rest)
    target.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.database.with_name(target.database.name + ".partial")
    _copy_file(folder / DATABASE, partial)
    with closing(sqlite3.connect(partial)) as database, database:
        hold = {"code": RESTORED, "message": LATER_MISSING, "now_ms": now_ms}
        database.execute(ON_EVERY_TENANT, hold)
    partial.rename(target.database)  # last: without it nothing can be dialed
    return manifest


def _copy_database(source: Path, target: Path) -> tuple[int, tuple[int, int], list[str]]:
    """Schema, numbers of tasks and calls, names of recordings, of the copied state."""
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as new,
    ):
        live.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
        _whole(new, source)
        (schema,) = new.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
        counts = new.execute("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM calls)").fetchone()
        paths = new.execute("SELECT DISTINCT path FROM recordings").fetchall()
    return schema, counts, sorted({Path(path).name for (path,) in paths})


def _whole(database: sqlite3.Connection, what: Path) -> None:
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise ValidationFailed(f"{what}: the database is damaged: {verdict}.")


def _read(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise NotFoundError(f"{folder} is no backup: {MANIFEST} cannot be read ({error.strerror}).") from error
    except msgspec.DecodeError as error:
        raise ValidationFailed(f"{folder}: {MANIFEST} is damaged: {error}.") from error


def _all(folder: Path) -> Iterator[Path]:
    """Plain files below a folder; links are not followed."""
    if folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _copy_files(files: Iterator[tuple[Path, Path]], target: Path) -> None:
    for path, name in files:
        _copy_file(path, target / name)


def _copy_file(path: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.touch(mode=0o600)
    shutil.copyfile(path, target)
    _sync(target)


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kept(folder: Path, path: Path) -> Kept:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Kept(name=path.relative_to(folder).as_posix(), size=size, sha256=digest.hexdigest())
