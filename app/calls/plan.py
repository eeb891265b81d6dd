"""Pure: from settings and an order to what the channel machine and the media worker are asked for."""

from app.calls.board import CallOrder
from app.calls.briefing import briefing
from app.calls.conversation import Conversation
from app.calls.field_desk import FieldDesk
from app.calls.filler import FALLING_HZ, RISING_HZ, sound
from app.calls.opening import Opening
from app.calls.recording import Mode, Recording
from app.calls.talk_model import TalkLimits
from app.calls.tool_specs import tool_specs
from app.calls.tools import Offer
from app.config import Settings
from app.domain.call import Call
from app.domain.transfer import CallTransfer
from media import protocol as media
from media.answer.model import AnswerSettings
from media.realtime.presets import PRESETS
from media.realtime.settings import AudioFormat, RealtimeSettings
from stasis.call import CallMachine
from stasis.call_model import CallPlan
from stasis.ids import CallIds
from stasis.inbound import InboundMachine
from stasis.pair import CallPair
from stasis.transfer_model import TransferPlan

_AUDIO_FORMATS: dict[media.LegCodec, AudioFormat] = {
    "ulaw": "audio/pcmu",
    "alaw": "audio/pcma",
    "g722": "audio/pcm",
}
PREPARE_AND_TEARDOWN_S = 90
TRANSFER_DIAL_S = 10
"""After that the last gate of the bundled dialplan dials nobody for a transfer any more."""
FAREWELL_MARGIN_S = 60
"""How much longer than the talk a channel may live, so that the goodbye is heard; then Asterisk cuts."""


def ids_of(call: Call) -> CallIds:
    """The ids of a stored call at its node's Asterisk; the callee's is the caller's own when they called us."""
    return CallIds(node=call.node, call_id=call.id, caller_channel=call.caller_channel)


def call_machine(settings: Settings, order: CallOrder) -> CallPair:
    """The machine of this order, and of whatever it is transferred to."""
    plan = call_plan(settings, order)
    return CallPair(InboundMachine(plan) if order.inbound else CallMachine(plan))


def transfer_plan(settings: Settings, row: CallTransfer, now_ms: int) -> TransferPlan:
    """What ARI is asked for when a call is transferred. The number is the committed one."""
    max_duration_s = settings.max_call_duration_s + FAREWELL_MARGIN_S
    ring_s = settings.transfer_ring_timeout_s
    return TransferPlan(
        seq=row.seq,
        endpoint=settings.trunk_endpoint.replace("{number}", row.number_dialed),
        app=settings.ari_app,
        ring_timeout_s=ring_s,
        max_duration_s=max_duration_s,
        warm=row.mode == "warm",
        caller_id=settings.caller_id or None,
        music=settings.transfer_music,
        variables={
            "OD_DIAL_DEADLINE": str(now_ms // 1000 + TRANSFER_DIAL_S),
            "OD_MAX_SECONDS": str(ring_s + max_duration_s + 30),
        },
    )


def call_plan(settings: Settings, order: CallOrder) -> CallPlan:
    """What ARI is asked for. Only `{number}` of the configured endpoint is ever replaced.

    The last gate of the bundled dialplan reads the variables: after `OD_DIAL_DEADLINE` (Unix seconds) it dials
    nobody any more, however long Asterisk stood still with our request.
    """
    deadline_ms = order.new.dial_deadline_ms
    limits = {} if deadline_ms is None else {"OD_DIAL_DEADLINE": str(deadline_ms // 1000)}
    max_duration_s = settings.max_call_duration_s + FAREWELL_MARGIN_S
    return CallPlan(
        ids=CallIds(node=settings.node_name, call_id=order.call_id, caller_channel=order.new.caller_channel),
        endpoint=settings.trunk_endpoint.replace("{number}", order.new.number_dialed),
        app=settings.ari_app,
        format=settings.leg_codec,
        caller_id=settings.caller_id or None,
        ring_timeout_s=settings.ring_timeout_s,
        max_duration_s=max_duration_s,
        variables={**limits, "OD_MAX_SECONDS": str(settings.ring_timeout_s + max_duration_s + 30)},
    )


def call_plan_limit_s(settings: Settings) -> int:
    """Seconds after which no call of these settings can live any more, whoever is dead."""
    longest = settings.ring_timeout_s + settings.max_call_duration_s + FAREWELL_MARGIN_S
    return longest + PREPARE_AND_TEARDOWN_S


def open_leg(settings: Settings, order: CallOrder, leg: int = 1) -> media.OpenLeg:
    """What the media worker is asked for: codec, model session, recording, dead-man limit.

    `leg` counts the legs of a call whose media worker died; each records into a file of its own.
    """
    mode, first = recording_mode(settings, order), leg == 1
    folder = settings.recordings_dir.resolve()
    recording = folder / f"{order.call_id}.wav"
    while leg > 1 and recording.exists():
        recording, leg = folder / f"{order.call_id}.{leg}.wav", leg + 1
    limit_s = settings.ring_timeout_s + settings.max_call_duration_s + FAREWELL_MARGIN_S + 60
    return media.OpenLeg(
        call_id=order.call_id,
        codec=settings.leg_codec,
        realtime=realtime_settings(settings, order),
        recording_path=None if mode == "off" else str(recording),
        record_from="answer" if mode == "on" and first else "command",
        max_duration_ms=limit_s * 1000,
        resampler=settings.resampler,
        answer=AnswerSettings(voicemail=order.agent.voicemail) if settings.answer_supervision else None,
    )


def offer(settings: Settings, order: CallOrder) -> Offer:
    """The functions the agent of this call may call."""
    agent = order.agent
    names = tuple(one.name for one in agent.transfer_targets)
    # Whoever calls back about a settled task is not called again, so nobody is asked what could come of it.
    may = agent.tools if order.leased else tuple(one for one in agent.tools if one != "request_user_feedback")
    recording = recording_mode(settings, order) != "off"
    return Offer(tools=may, fields=agent.data_to_fill, targets=names, outside=order.outside, recording=recording)


def recording_mode(settings: Settings, order: CallOrder) -> Mode:
    """Whether this call is recorded from its answer, after a yes, or not at all."""
    if not settings.recording:
        return "off"
    return "on" if order.context.may_record else "ask" if order.context.asks_to_record else "off"


def conversation(settings: Settings, order: CallOrder, fields: FieldDesk) -> Conversation:
    """The rules of this talk."""
    opening = Opening(order.call_id, order.context.disclosure, said=order.disclosed)
    mode = recording_mode(settings, order)
    aside = order.transfer_row is not None
    recording = Recording(order.call_id, mode, opening, running=order.recorded, aside=aside)
    limits, offered = talk_limits(settings, order), offer(settings, order)
    return Conversation(order.call_id, limits, offered, fields, opening=opening, recording=recording)


def talk_limits(settings: Settings, order: CallOrder) -> TalkLimits:
    """How long silence, questions and the talk may last, and what it may cost."""
    agent = order.agent
    return TalkLimits(
        no_input_s=settings.no_input_s,
        no_input_prompts=settings.no_input_prompts,
        max_talk_s=min(settings.max_call_duration_s, agent.max_talk_s or settings.max_call_duration_s),
        max_cost_micro_usd=round(settings.max_call_cost_usd * 1e6) or None,
        feedback_wait_s=agent.feedback_wait_s,
        unanswered=agent.unanswered,
        voicemail_message=agent.voicemail_message,
    )


def realtime_settings(settings: Settings, order: CallOrder) -> RealtimeSettings:
    """The model session of one call. A G.711 leg passes G.711 to the model unless the server only takes PCM."""
    agent, brief = order.agent, briefing(order)
    only_pcm = settings.realtime_audio == "pcm"
    audio_format: AudioFormat = "audio/pcm" if only_pcm else _AUDIO_FORMATS[settings.leg_codec]
    preset = PRESETS[agent.turn_preset or settings.turn_preset]
    return RealtimeSettings(
        url=settings.realtime_url,
        api_key=settings.openai_api_key.get_secret_value(),
        model=settings.realtime_model,
        instructions=brief.instructions,
        voice=agent.voice or settings.voice,
        greeting=brief.greeting,
        opening=brief.opening,
        priming=order.earlier,
        greet_after_silence_ms=round(settings.greet_after_silence_s * 1000),
        turn_detection=preset.turn_detection,
        noise_reduction=preset.noise_reduction,
        barge_in=settings.barge_in,
        filler=sound(settings.filler_clip, RISING_HZ, audio_format),
        apology=sound(settings.apology_clip, FALLING_HZ, audio_format),
        language=agent.language,
        audio_format=audio_format,
        transcription_model=settings.transcription_model,
        tools=tool_specs(offer(settings, order)),
    )
