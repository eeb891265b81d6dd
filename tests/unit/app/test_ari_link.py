"""Which event stream the settings choose."""

from typing import Any

import pytest

from app.calls.ari_link import event_stream
from app.config import Settings
from stasis.client import AriClient
from stasis.dialed_stream import DialedByAsteriskStream
from stasis.stream import DialInStream

CLIENT = AriClient("http://127.0.0.1:1/ari", "opendeep", "secret", "opendeep-main")


@pytest.mark.parametrize(("values", "kind"), [({}, DialInStream), ({"ari_events": "dial_in"}, DialInStream)])
def test_by_default_we_dial(values: dict[str, Any], kind: type[object]) -> None:
    assert type(event_stream(Settings.model_validate({"simulate": True, **values}), CLIENT)) is kind


def test_asterisk_dials_the_address_of_the_settings() -> None:
    values = {"ari_events": "asterisk_dials", "ari_listen_host": "127.0.0.2", "ari_listen_port": 8799}
    stream = event_stream(Settings.model_validate({"simulate": True, **values}), CLIENT)
    assert isinstance(stream, DialedByAsteriskStream)
    assert stream.address == ("127.0.0.2", 8799)
