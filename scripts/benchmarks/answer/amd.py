"""The baseline: the rule of Asterisk's AMD() (`apps/app_amd.c`), over 20 ms frames, defaults of `amd.conf`.

Initial silence 2500 ms, greeting 1500 ms, silence after it 800 ms, 5000 ms in all, words of 100 ms, 50 ms between
words, at most 2 words, silence below a mean amplitude of 256.
"""

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 20
INITIAL_SILENCE_MS, GREETING_MS, AFTER_GREETING_MS, TOTAL_MS = 2500, 1500, 800, 5000
WORD_MS, BETWEEN_WORDS_MS, WORDS, WORD_MAX_MS, THRESHOLD = 100, 50, 2, 5000, 256


def amd(audio: NDArray[np.int16]) -> tuple[str, int]:
    """`AMDSTATUS` and the ms it took."""
    initial, greeting, in_word = True, False, False
    silence = consecutive = voice = words = 0
    for index, frame in enumerate(audio[: audio.size // 160 * 160].reshape(-1, 160)):
        now = (index + 1) * FRAME_MS
        if now >= TOTAL_MS:
            return "NOTSURE", now
        if np.abs(frame.astype(np.int32)).mean() < THRESHOLD:
            silence += FRAME_MS
            if silence >= BETWEEN_WORDS_MS:
                in_word, consecutive = False, 0
            if initial and silence >= INITIAL_SILENCE_MS:
                return "MACHINE", now
            if greeting and silence >= AFTER_GREETING_MS:
                return "HUMAN", now
            continue
        silence = 0
        consecutive += FRAME_MS
        voice += FRAME_MS
        if consecutive >= WORD_MS and not in_word:
            words, in_word = words + 1, True
        if consecutive >= WORD_MAX_MS or words > WORDS or (greeting and voice >= GREETING_MS):
            return "MACHINE", now
        if consecutive >= WORD_MS and not greeting:
            initial, greeting = False, True
    return "NOTSURE", audio.size // 8
