"""What all legs of a media engine share: its RTP socket and the work that is done for all of them at once."""

from media.answer.ear import EarBatch
from media.dsp import ResampleBatch
from media.leg_listener import Hear
from media.recording import RecordingWriter
from media.taps import TapBatch
from media.udp import RtpSocket


class Surroundings:
    """Made by the engine, used by `media.leg`."""

    def __init__(self, socket: RtpSocket, advertised_host: str, hear: Hear = lambda _: None) -> None:
        self.socket = socket
        self.hear = hear
        self.advertised_host = advertised_host
        self.uplink = ResampleBatch()
        self.downlink = ResampleBatch()
        self.taps = TapBatch()
        self.ears = EarBatch()
        self.recordings = RecordingWriter()
