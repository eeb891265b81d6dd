"""The counters of a leg's parts as the one struct that `LegClosed` carries; called by `media.leg` at its end."""

from media.leg_audio import LegAudio
from media.protocol import LegStatistics
from media.realtime.session_model import Counters
from media.recording import RecordingResult
from media.rtp import CLOCK_RATE_HZ

_SAMPLES_PER_MS = CLOCK_RATE_HZ // 1000


def leg_statistics(audio: LegAudio, counters: Counters, recorded: RecordingResult | None) -> LegStatistics:
    """What happened on one leg. `recorded` None: there is no recording, or its end was not waited for."""
    jitter = audio.jitter.stats
    return LegStatistics(
        packets_received=jitter.packets_received,
        packets_sent=audio.sender.packets_sent,
        packets_lost=jitter.packets_lost,
        packets_late=jitter.packets_late,
        packets_duplicate=jitter.packets_duplicate,
        packets_reordered=jitter.packets_reordered,
        packets_malformed=audio.malformed,
        packets_wrong_payload_type=jitter.packets_wrong_payload_type,
        ssrc_changes=jitter.ssrc_changes,
        filled_ms=audio.made_up_samples // _SAMPLES_PER_MS,
        dropped_ms=jitter.dropped_samples // _SAMPLES_PER_MS,
        max_jitter_ms=round(audio.received.max_jitter_ms, 2),
        slots_skipped=audio.slots_skipped,
        playout_underruns=audio.playout.underruns,
        model_events_unknown=counters.events_unknown,
        model_events_malformed=counters.events_malformed,
        model_reconnects=counters.reconnects,
        model_input_dropped_ms=counters.input_dropped_ms,
        fillers_played=counters.fillers,
        backchannels_ignored=counters.backchannels,
        echoes_ignored=counters.echoes,
        recording_dropped_ms=0 if recorded is None else recorded.dropped_ms,
    )
