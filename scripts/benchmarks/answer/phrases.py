"""The texts behind the clips, from `phrases.toml`."""

import tomllib
from pathlib import Path
from typing import Any, Final

Phrase = tuple[str, ...]
Texts = dict[str, tuple[Phrase, ...]]

_READ: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text("utf-8"))


def _texts(name: str) -> Texts:
    return {key: tuple(tuple(phrase) for phrase in some) for key, some in _READ[name].items()}


HUMAN, HUMAN_LONG = _texts("human"), _texts("human_long")
MACHINE, IVR = _texts("machine"), _texts("ivr")
SCREENING, QUEUE, NETWORK = _texts("screening"), _texts("queue"), _texts("network")
VOICES: Final[dict[str, tuple[str, ...]]] = {language: tuple(some) for language, some in _READ["voices"].items()}
RECORDED_TEXTS: Final[dict[str, str]] = _READ["recorded"]
PROGRAMMES = _texts("programmes")
