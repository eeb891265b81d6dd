"""What every check of `opendeep doctor` answers."""

import msgspec


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line: severity ok, warn or fail."""

    severity: str
    name: str
    message: str
