"""A person or business a tenant may call, and how an import is to read its list."""

import re
import unicodedata
from typing import Annotated, Literal

import msgspec

from app.domain.fields import plain
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
    {"no", "n", "not", "none", "false", "f", "0", "nein", "nicht", "kein", "keine", "non", "faux", "falsch",
     "nee", "nie", "nao", "unknown", "unbekannt", "inconnu", "n a", "na", "null", "pending", "open", ""}
)  # fmt: skip
"""A cell that says nothing but this is no evidence of consent, as a column of yes and no has it."""
_REFUSAL = re.compile(
    r"^(?:no|nein|non|nee)\b(?! ?\d)"
    r"|\b(?:not|never|nicht|nie|niemals|pas|jamais|niet|without|ohne|sans|sin|senza) (?:yet )?"
    r"(?:given|asked|agreed|consented|obtained|granted|on (?:record|file)|erteilt|eingeholt|eingewilligt|"
    r"vorhanden|zugestimmt|donne|obtenu|consent\w*|consenti\w*|einwilligung|zustimmung|gegeven)\b"
    r"|\b(?:did|does|do|has|have|was) (?:not|never)\b|\bno (?:consent|permission|agreement|opt in)\b"
    r"|\b(?:refus\w+|declin\w+|denied|den(?:y|ies)|rejected|withdr[ae]w\w*|revoked?|opted out|"
    r"unsubscribed|abgelehnt|verweigert|widerrufen|widerruf|keine einwilligung|kein einverstandnis|retire|"
    r"revoque|rechaz\w+|revocad\w+|revocat\w+|rifiut\w+|negad\w+|geweigerd|ingetrokken)\b"
)
"""Words by which a cell says that somebody did not agree, or does no longer. "No. 4711" numbers a form."""


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
        said = plain(self.consent)
        return bool(self.consent.strip()) and (said in NO_WORDS or _REFUSAL.search(said) is not None)


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
