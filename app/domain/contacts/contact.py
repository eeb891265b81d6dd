"""A person or business a tenant may call, and how an import is to read its list."""

import re
import unicodedata
from typing import Annotated, Literal

import msgspec

from app.domain.policy.pack import CalleeKind, ConsentLevel, Pack, Purpose, Rules

Target = Literal["contacts", "do_not_call"]
"""What a list becomes: contacts, or entries of the tenant's do-not-call list."""
MAX_FILE_BYTES = 25 * 1024 * 1024
MAX_ROWS = 200_000
MAX_COLUMNS = 60
MAX_CELL = 2_000
"""Characters of a cell; a longer one makes its row unusable instead of being cut."""
MAX_NAME = 200
MAX_WORDS = 12
"""Words of a name that it can be found by."""
_WORD = re.compile(r"[^\W_]+", re.UNICODE)


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """One number (E.164) of one tenant. `zone` is an IANA name and `region` like US-FL, both empty when not known;
    `variables` is JSON text: what else the list said about them, by column. Times are UTC epoch milliseconds.
    """

    id: str
    tenant_id: str
    number: str
    name: str
    company: str
    zone: str
    language: str
    kind: CalleeKind
    region: str
    variables: str
    import_id: str | None
    created_ms: int
    updated_ms: int


NO_WORDS = frozenset(
    {"no", "n", "not", "none", "false", "f", "0", "nein", "nicht", "kein", "keine", "non", "faux", "falsch"}
)
"""A cell that says nothing but this is no evidence of consent, as a column of yes and no has it."""


class Made(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a row says of a contact, read. `consent` is the evidence that stands in the row."""

    name: str = ""
    company: str = ""
    zone: str = ""
    language: str = ""
    kind: CalleeKind | Literal[""] = ""
    region: str = ""
    preferences: str = ""
    consent: str = ""
    variables: dict[str, str] = {}

    @property
    def refuses(self) -> bool:
        """Whether the row's cell about consent says that there is none; then no other evidence counts either."""
        return self.consent.strip(" .!").casefold() in NO_WORDS


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a list is read, as chosen by a person.

    `region`: ISO country of numbers without country code. `bare_international`: numbers have their country code
    and only the + is missing. `purpose`: calls that consent is checked for (empty: not checked). `consent_level`
    and `consent_evidence`: what everybody on the list agreed to and where that can be seen. `skip_known`: leave
    contacts alone that are known already. `reason`: of do-not-call entries. `mapping`: (column, meaning) where
    the proposal is not taken.
    """

    region: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2})?$")] = ""
    bare_international: bool = False
    purpose: Purpose | Literal[""] = ""
    consent_level: ConsentLevel = "none"
    consent_evidence: Annotated[str, msgspec.Meta(max_length=500)] = ""
    skip_known: bool = False
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    mapping: tuple[tuple[str, str], ...] = ()


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What rows are held against. `fictional`: numbers that nobody can own are taken, no country is asked for."""

    target: Target
    options: Options
    packs: tuple[Pack, ...]
    allowed_countries: tuple[str, ...]
    overlay: Rules | None = None
    fictional: bool = False


def folded(text: str) -> str:
    """A text as it is compared: without case, accents and width."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def words_of(*texts: str, most: int = MAX_WORDS) -> tuple[str, ...]:
    """What a contact is found by: the words of its name and company, each once."""
    found = dict.fromkeys(word[:40] for text in texts for word in _WORD.findall(folded(text)))
    return tuple(found)[:most]
