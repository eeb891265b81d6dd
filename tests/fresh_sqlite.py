"""SQLite files with today's tables and nothing in them: migrated once a test run, then copied."""

import tempfile
from functools import cache
from pathlib import Path

from app.store.migrate import migrate


def fresh_sqlite(path: Path) -> Path:
    """Makes the file unless it is there; answers its path. Opening it still checks every migration."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(_migrated())
    return path


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        file = Path(folder) / "fresh.db"
        migrate(file)
        return file.read_bytes()
