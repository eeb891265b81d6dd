"""Pure: from settings and an order to what the channel machine and the media worker are asked for."""

from app.calls.board import CallOrder
from app.calls.filler import FALLING_HZ, RISING_HZ, sound
from app.calls.instructions import session_instructions
from app.calls.tools import TOOL_SPECS
from app.config import Settings
from media import protocol as media
from media.answer.model import AnswerSettings
from media.realtime.presets import PRESETS
from media.realtime.settings import AudioFormat, RealtimeSettings
from stasis.call_model import CallPlan
from stasis.ids import CallIds

_AUDIO_FORMATS: dict[media.LegCodec, AudioFormat] = {
    "ulaw": "audio/pcmu",
    "alaw": "audio/pcma",
    "g722": "audio/pcm",
}
FAREWELL_MARGIN_S = 60
"""How much longer than the talk a channel may live, so that the goodbye is heard; then Asterisk cuts."""


def call_plan(settings: Settings, order: CallOrder) -> CallPlan:
    """What ARI is asked for. Only `{number}` of the configured endpoint is ever replaced."""
    return CallPlan(
        ids=CallIds(node=settings.node_name, call_id=order.call_id),
        endpoint=settings.trunk_endpoint.replace("{number}", order.new.number_dialed),
        app=settings.ari_app,
        format=settings.leg_codec,
        caller_id=settings.caller_id or None,
        ring_timeout_s=settings.ring_timeout_s,
        max_duration_s=settings.max_call_duration_s + FAREWELL_MARGIN_S,
    )


def open_leg(settings: Settings, order: CallOrder) -> media.OpenLeg:
    """What the media worker is asked for: codec, model session, recording, dead-man limit."""
    recording = settings.recordings_dir.resolve() / f"{order.call_id}.wav"
    limit_s = settings.ring_timeout_s + settings.max_call_duration_s + FAREWELL_MARGIN_S + 60
    return media.OpenLeg(
        call_id=order.call_id,
        codec=settings.leg_codec,
        realtime=realtime_settings(settings, order),
        recording_path=str(recording) if settings.recording else None,
        max_duration_ms=limit_s * 1000,
        resampler=settings.resampler,
        answer=AnswerSettings() if settings.answer_supervision else None,
    )


def realtime_settings(settings: Settings, order: CallOrder) -> RealtimeSettings:
    """The model session of one call. A G.711 leg passes G.711 to the model unless the server only takes PCM."""
    agent = order.agent
    only_pcm = settings.realtime_audio == "pcm"
    audio_format: AudioFormat = "audio/pcm" if only_pcm else _AUDIO_FORMATS[settings.leg_codec]
    preset = PRESETS[agent.turn_preset or settings.turn_preset]
    return RealtimeSettings(
        url=settings.realtime_url,
        api_key=settings.openai_api_key.get_secret_value(),
        model=settings.realtime_model,
        instructions=session_instructions(
            agent_prompt=agent.prompt,
            objective=order.objective,
            callee_name=order.callee_name,
            language=agent.language,
        ),
        voice=agent.voice or settings.voice,
        greeting=agent.greeting,
        opening=agent.opening,
        greet_after_silence_ms=round(settings.greet_after_silence_s * 1000),
        turn_detection=preset.turn_detection,
        noise_reduction=preset.noise_reduction,
        barge_in=settings.barge_in,
        filler=sound(settings.filler_clip, RISING_HZ, audio_format),
        apology=sound(settings.apology_clip, FALLING_HZ, audio_format),
        language=agent.language,
        audio_format=audio_format,
        transcription_model=settings.transcription_model,
        tools=tuple(tool for tool in TOOL_SPECS if tool.name in agent.tools),
    )
