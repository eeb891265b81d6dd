"""The two channels of a call, as far as both are alike: in Asterisk, in Stasis, in the bridge. Used by `call`."""

from stasis.call_model import AddToBridge, HangUpChannel
from stasis.events import ChannelDestroyed, ChannelEnteredBridge, Event, StasisStart
from stasis.teardown import Resource


class Leg:
    """`addChannel` answers 422 before the channel's own StasisStart, which may come before or after the reply of
    the POST that made it: so the facts are kept apart, and `join` waits for what it needs.
    """

    def __init__(self, channel_id: str, bridge_id: str, *, ends_by_event: bool = False) -> None:
        self.resource = Resource(HangUpChannel(channel_id=channel_id), ends_by_event=ends_by_event)
        self.in_stasis = False
        self.in_bridge = False
        self._add = AddToBridge(bridge_id=bridge_id, channel_id=channel_id)
        self._adding = False

    @property
    def channel_id(self) -> str:
        return self._add.channel_id

    def observe(self, event: Event) -> None:
        """Keep what an event of this channel says."""
        self.resource.prove()
        match event:
            case StasisStart():
                self.in_stasis = True
            case ChannelEnteredBridge(bridge=bridge) if bridge.id == self._add.bridge_id:
                self.in_bridge = True
            case ChannelDestroyed():
                self.resource.vanish()
            case _:
                pass

    def join(self) -> list[AddToBridge]:
        """The request that puts it into the bridge, once, as soon as it is possible."""
        if self._adding or self.in_bridge or not self.in_stasis:
            return []
        self._adding = True
        return [self._add]
