"""What a receiver knows about an RTP stream: losses and interarrival jitter (RFC 3550 6.4.1, A.3, A.8).

The leg shows every parsed packet to `receive` in arrival order, before reordering. A new SSRC starts a new count
whose losses are added to those before it, because to the operator it is still one call.
"""

from collections.abc import Collection

import msgspec

from media.rtp import CLOCK_RATE_HZ, MAX_DROPOUT, MAX_MISORDER, RtpPacket, nearest


class ReceptionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an RTCP report block. `fraction_lost` is in 1/256 since the last report, never negative.

    `interarrival_jitter` is in clock ticks; `cumulative_lost` can be negative when packets were duplicated.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    extended_highest_sequence_number: int
    interarrival_jitter: int


class ReceiverStatistics:
    """Statistics of one leg. Packets outside `payload_types` (telephone events) count, but not for jitter."""

    def __init__(self, *, payload_types: Collection[int], clock_rate_hz: int = CLOCK_RATE_HZ) -> None:
        self._payload_types = frozenset(payload_types)
        self._rate_hz = clock_rate_hz
        self.ssrc: int | None = None
        self.packets_received = 0
        self.max_jitter_ms = 0.0
        self._lost_before = 0
        self._begin(0)

    def receive(self, packet: RtpPacket, now: float) -> None:
        """Count one packet that arrived at `now`."""
        self.packets_received += 1
        if packet.ssrc != self.ssrc:
            self._lost_before = self.packets_lost
            self.ssrc = packet.ssrc
            self._begin(packet.sequence_number)
        if self._update_sequence(packet.sequence_number) and packet.payload_type in self._payload_types:
            self._update_jitter(packet.timestamp, now)

    @property
    def packets_lost(self) -> int:
        """Expected minus received over the whole life (A.3); negative when duplicates outnumber losses."""
        return self._lost_before + self._expected() - self._received

    @property
    def jitter_ms(self) -> float:
        """Smoothed interarrival jitter (A.8)."""
        return self._jitter * 1000 / self._rate_hz

    def report(self) -> ReceptionReport | None:
        """A report block over the time since the last call, None before the first packet."""
        if self.ssrc is None:
            return None
        expected, received = self._expected(), self._received
        expected_interval, self._expected_prior = expected - self._expected_prior, expected
        received_interval, self._received_prior = received - self._received_prior, received
        lost_interval = expected_interval - received_interval
        fraction = (lost_interval << 8) // expected_interval if expected_interval and lost_interval > 0 else 0
        return ReceptionReport(
            ssrc=self.ssrc,
            fraction_lost=min(fraction, 255),
            cumulative_lost=max(-0x800000, min(self.packets_lost, 0x7FFFFF)),
            extended_highest_sequence_number=self._highest & 0xFFFFFFFF,
            interarrival_jitter=int(self._jitter),
        )

    def _begin(self, sequence_number: int) -> None:
        """`init_seq` of A.1."""
        self._first = self._highest = sequence_number
        self._bad_sequence_number: int | None = None
        self._received = self._received_prior = self._expected_prior = 0
        self._transit: tuple[float, int] | None = None
        self._jitter = 0.0

    def _expected(self) -> int:
        return self._highest - self._first + 1 if self.ssrc is not None else 0

    def _update_sequence(self, sequence_number: int) -> bool:
        """`update_seq` of A.1; False for a packet whose number is not believed yet."""
        ahead = (sequence_number - self._highest) & 0xFFFF
        if ahead < MAX_DROPOUT:
            self._highest += ahead
        elif ahead <= 0x10000 - MAX_MISORDER:
            if sequence_number != self._bad_sequence_number:
                self._bad_sequence_number = (sequence_number + 1) & 0xFFFF
                return False
            self._lost_before = self.packets_lost
            self._begin(sequence_number)
        self._received += 1
        return True

    def _update_jitter(self, timestamp: int, now: float) -> None:
        """J += (|D| - J) / 16 with D the change of relative transit time (A.8)."""
        arrival = now * self._rate_hz
        if self._transit is not None:
            previous_arrival, previous_timestamp = self._transit
            elapsed = nearest(timestamp - previous_timestamp, 32)
            self._jitter += (abs(arrival - previous_arrival - elapsed) - self._jitter) / 16
            self.max_jitter_ms = max(self.max_jitter_ms, self.jitter_ms)
        self._transit = arrival, timestamp
