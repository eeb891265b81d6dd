"""The wall in front of Asterisk: an originate leaves only for a number that was committed for exactly that
channel.

Whoever wants to dial, be it a first attempt, a retry, a transfer or a callback, has to hold a row that admission
committed and show it here (`permit`). The ARI client asks `check` for every originate it is about to send, whoever
made it, so a faulty plan, a wrong number out of a model or a forgotten redirect ends here. In test mode nothing
but the redirect number passes, whatever was committed.
"""

from app.domain.admission_site import Site
from app.domain.call import Call, CallState
from app.domain.transfer import ALIVE, CallTransfer
from stasis.errors import NotSent
from stasis.requests import Originate


class DialGuard:
    """One per control process. A permit is used up by the originate it was given for."""

    def __init__(self, site: Site, endpoint: str) -> None:
        self._site = site
        self._before, _, self._after = endpoint.partition("{number}")
        self._permits: dict[str, str] = {}

    def permit(self, channel_id: str, call: Call) -> None:
        """`channel_id` may dial the number of `call`, once. Raises NotSent unless the intent is committed."""
        if call.state is not CallState.DIALING or not call.dialed:
            raise NotSent(f"the call is {call.state}: no intent to dial is committed")
        if not self._site.may_dial(call.number_dialed):
            raise NotSent("test mode is on: only the redirect number is dialed")
        self._permits[channel_id] = call.number_dialed

    def permit_transfer(self, channel_id: str, row: CallTransfer) -> None:
        """The same for the target of a transfer. Raises NotSent unless its intent is committed."""
        if row.state != ALIVE:
            raise NotSent(f"the transfer is {row.state}: no intent to dial is committed")
        if not self._site.may_dial(row.number_dialed):
            raise NotSent("test mode is on: only the redirect number is dialed")
        self._permits[channel_id] = row.number_dialed

    def waits(self, channel_id: str) -> bool:
        """The permit for `channel_id` is not used up: its originate is not on its way yet."""
        return channel_id in self._permits

    def check(self, request: Originate) -> None:
        """Raises NotSent for an originate that nobody committed, or that goes elsewhere than what was
        committed.
        """
        number = self._permits.pop(request.channel_id, None)
        if number is None:
            raise NotSent("no intent to dial is committed for this channel")
        if request.endpoint != f"{self._before}{number}{self._after}":
            raise NotSent("another number than the committed one would be dialed")
        if not self._site.may_dial(number):
            raise NotSent("test mode is on: only the redirect number is dialed")
