"""The error tree of the media room."""

from media.errors import MalformedRtp, MediaError, MediaUsageError


def test_one_base_class_holds_the_peers_and_our_own_errors() -> None:
    assert issubclass(MalformedRtp, MediaError)
    assert issubclass(MediaUsageError, MediaError)
    assert not issubclass(MalformedRtp, MediaUsageError)
