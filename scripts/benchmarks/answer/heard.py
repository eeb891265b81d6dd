"""What the ear made of each clip, kept in `.cache/answer` while the code, texts and voices behind it stay."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from media.answer.features import FRAME_SAMPLES, FeatureBank, FrameFeatures, frames_of
from scripts.benchmarks.answer.amd import amd
from scripts.benchmarks.answer.clips import SEED, Clip, clips
from scripts.benchmarks.answer.voices import ROOT

_HERE: Final = Path(__file__).parent
_MEDIA: Final = Path(__file__).parents[3] / "media"
_SOURCES: Final = ("amd.py", "clips.py", "line.py", "phrases.py", "phrases.toml", "sounds.py", "voices.py")
CACHE: Final = Path(__file__).parents[3] / ".cache/answer"


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A clip, its features (float32, 7 to a frame), and what the AMD() rule says of it after how many ms."""

    clip: Clip
    features: bytes
    amd: tuple[str, int]

    @property
    def frames(self) -> list[FrameFeatures]:
        """In order, 20 ms each."""
        return frames_of(np.frombuffer(self.features, np.float32).reshape(-1, 7))


def heard() -> list[Heard]:
    """All clips. Made anew (two minutes) when anything they depend on has changed."""
    kept = CACHE / f"{_digest()}.msgpack"
    if kept.is_file():
        return msgspec.msgpack.decode(kept.read_bytes(), type=list[Heard])
    made = [Heard(clip=clip, features=_features(audio).tobytes(), amd=amd(audio)) for clip, audio in clips()]
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    part = kept.with_suffix(".part")
    part.write_bytes(msgspec.msgpack.encode(made))
    part.rename(kept)
    return made


def _features(audio: NDArray[np.int16]) -> NDArray[np.float32]:
    whole = audio.size // FRAME_SAMPLES * FRAME_SAMPLES
    return FeatureBank(1).process(np.zeros(1, np.intp), audio[None, :whole])[0]


def _digest() -> str:
    """Of the seed, every file a clip or a feature comes from, and the voices."""
    files = [_HERE / name for name in _SOURCES] + [
        _MEDIA / name for name in ("answer/features.py", "g711.py", "g722.py", "levels.py")
    ]
    recorded = sorted(path.name for path in ROOT.glob("usr/share/asterisk/sounds/*"))
    digest = hashlib.sha256(f"{SEED} {np.__version__} {recorded}".encode())
    for file in files:
        digest.update(file.read_bytes())
    version = subprocess.run(("espeak-ng", "--version"), capture_output=True, check=True, timeout=30).stdout
    return hashlib.sha256(digest.digest() + version).hexdigest()[:32]
