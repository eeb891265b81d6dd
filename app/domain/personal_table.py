"""How an entry of `app.domain.personal_data` is written. Pure."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Road(StrEnum):
    """How the rows that are about a person are found."""

    TASK = "task_id"
    CALL = "call_id"
    SUBJECT = "subject"
    """A webhook's event: its subject is a task, a call, a question, or a do-not-call entry."""
    EVENT = "event_id"
    """What hangs on such an event."""
    NUMBER = "number"
    """By the number itself; not touched when a single task's time is up."""
    IMPORT = "import_id"
    """Rows of an uploaded list, and the pieces of its file."""
    CONTACT = "contact_id"
    FREE_TEXT = "free_text"
    """Texts that nothing ties to a person: walked through for the number and the names (`erasure.Marks`)."""
    NONE = ""
    """Nothing of a callee is there."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table. `goes`: the row is deleted. `becomes`: column -> the SQL that takes its place. `kept`: column (or
    columns, by blanks) -> why it stays. Columns named in `goes` tables need no more words.
    """

    name: str
    road: Road
    goes: bool = False
    becomes: Mapping[str, str] = {}
    kept: Mapping[str, str] = {}

    @property
    def decided(self) -> frozenset[str]:
        """Columns about which something was decided."""
        return frozenset(self.becomes) | {name for names in self.kept for name in names.split()}
