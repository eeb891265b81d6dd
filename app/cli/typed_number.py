"""A telephone number as a person types it behind a command that looks for it in the store."""

from app.domain.number import parse_number, possible_number


def read_number(number: str, region: str) -> str:
    """E.164 of a number with its country code, or as `region` (ISO, DEFAULT_REGION) writes it. Raises
    NumberRefused.
    """
    if number.strip().startswith("+") or not region:
        return possible_number(number)
    return parse_number(number, region=region)
