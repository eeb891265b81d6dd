"""Numbers nobody is ever connected to, whatever a site allows: emergency, premium, satellite, high-cost ranges.

One list for both locks: `app.domain.number` reads it, and `scripts/lib/refused_numbers.py` writes it into
asterisk/opendeep-extensions.conf, together with the premium and shared-cost ranges of phonenumbers' metadata.
Patterns are written as in a dialplan, without the plus sign: X any digit, [..] one of these, ! anything after.
"""

import re

import msgspec


class RefusedRange(msgspec.Struct, frozen=True, kw_only=True):
    """Why, in words that fit after "is a number of", and the patterns."""

    why: str
    patterns: tuple[str, ...]


REVIEWED_ON = "2026-11-21"
REFUSED: tuple[RefusedRange, ...] = (
    RefusedRange(
        why="an emergency or public service",
        # A country code in front of 112 and the like; +1 N11; German network services 110 to 119; harmonised 116.
        patterns=("XXX112", "XXX911", "XXX999", "116XXX", "1[2-9]11!", "4911!"),
    ),
    RefusedRange(
        why="the North American premium services",
        patterns=("1900!", "1976!", "1[2-9]XX976!"),
    ),
    RefusedRange(
        why="a North American area code that bills like another continent",
        # Caribbean and Bermuda. Not here: 340, 670, 671, 684, 787, 939, which are United States territory.
        patterns=(
            *("124[26]!", "126[48]!", "1284!", "1345!", "1441!", "1473!", "1649!", "1658!", "1664!", "1721!"),
            *("1758!", "1767!", "1784!", "18[024]9!", "186[89]!", "1876!"),
        ),
    ),
    RefusedRange(
        why="a premium, shared-cost or personal number range",
        # By country code: NL, BE, FR, ES, IT, CH, AT, GB (and 070), DE, AU, RU and KZ, JP.
        patterns=(
            *("3190!", "3290!", "338[129]!", "3480[367]!", "3490[5-7]!", "3989!", "4190!", "439[0-3]!", "449!"),
            *("448[47]!", "4470!", "49900!", "491[38]!", "6119!", "780[39]!", "81990!"),
        ),
    ),
    RefusedRange(
        why="a satellite or international network",
        patterns=("808!", "870!", "878!", "88[1238]!", "979!"),
    ),
)


def expression(pattern: str) -> str:
    """A dialplan pattern as a regular expression over the whole number (digits without plus)."""
    return pattern.replace("X", "[0-9]").replace("!", "[0-9]*")


_RANGES = tuple(
    (each.why, re.compile("|".join(f"(?:{expression(pattern)})" for pattern in each.patterns), re.ASCII))
    for each in REFUSED
)


def refusal(digits: str) -> str | None:
    """Why `digits` (E.164 without plus) is never dialed, or None."""
    return next((why for why, pattern in _RANGES if pattern.fullmatch(digits)), None)
