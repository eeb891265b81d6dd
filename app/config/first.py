"""The first `.env` of an installation, and the bundled Asterisk files with its password in them."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from app.config.load import env_example, load_settings
from app.errors import ConflictError, ValidationFailed

PRIVATE = 0o600
_WORDS = re.compile(r"@([A-Z_]+)@")


def env_text(values: Mapping[str, str]) -> str:
    """`.env.example` with these keys (`RING_TIMEOUT_S`) switched on. Raises ValidationFailed for no such key, or
    a value no line can hold.
    """
    left = dict(values)
    lines: list[str] = []
    for line in env_example().splitlines():
        key = line[1:].partition("=")[0] if line.startswith("#") else ""
        lines.append(f"{key}={_quoted(key, left.pop(key))}" if key in left else line)
    if left:
        raise ValidationFailed(f"There is no setting {', '.join(left)}.")
    return "\n".join(lines) + "\n"


def write_env(folder: Path, values: Mapping[str, str]) -> Path:
    """Write `folder`/.env, readable by this account alone, once it is known that a start would accept it. Raises
    ConflictError when there is one, ConfigError naming what does not fit.
    """
    path = folder / ".env"
    if path.exists():
        raise ConflictError(
            f"{path} exists; nothing is written over it. Change it by hand, or move it away first."
        )
    text = env_text(values)
    trial = folder / ".env.new"
    trial.mkdir(mode=0o700)
    try:
        _create(trial / ".env", text)
        load_settings(trial)
        os.link(trial / ".env", path)  # fails when somebody else was faster
    finally:
        (trial / ".env").unlink(missing_ok=True)
        trial.rmdir()
    return path


def render_asterisk(bundled: Path, target: Path, words: Mapping[str, str]) -> list[str]:
    """The files of `asterisk/` with @WORD@s replaced, into a new folder (0640, as Asterisk's group reads them);
    answers the words that are still to be replaced. Raises ConflictError when there are such files already.
    """
    if (target / "ari.conf").exists():
        raise ConflictError(f"{target / 'ari.conf'} exists; move it away first, its password would change.")
    target.mkdir(mode=0o750, parents=True, exist_ok=True)
    left: set[str] = set()
    for source in sorted([*bundled.glob("*.conf"), *bundled.glob("*.conf.example")]):
        text = source.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        lines = (line for line in text.splitlines() if not line.lstrip().startswith(";"))
        left |= {word for line in lines for word in _WORDS.findall(line)}
        _create(target / source.name.removesuffix(".example"), text, mode=0o640)
    return sorted(left)


def _quoted(key: str, value: str) -> str:
    if any(ord(one) < 32 for one in value) or ("'" in value and '"' in value):
        raise ValidationFailed(f"{key} cannot be written into .env: control characters, or both kinds of quotes.")
    if not value or not set(value) & set(" #'\"\\$"):
        return value
    return f'"{value}"' if "'" in value else f"'{value}'"


def _create(path: Path, text: str, mode: int = PRIVATE) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
