"""Words that would run, or break the page, if any of them were ever taken for markup, and where they are planted.

Whatever people, callees, models and web pages say ends up in these columns; every page that shows one is visited.
"""

from app.errors import ConstraintFailed
from app.store.db import Database

MARKUP = (
    "<script>document.title='XSS'</script>",
    "<img src=x onerror=\"document.title='XSS'\">",
    "\"><svg onload=document.title='XSS'>",
    "'-(document.title='XSS')-'",
    "javascript:document.title='XSS'",
    "{{ 7*7 }}${7*7}<%= 7*7 %>",
    "</textarea></title></style><script>document.title='XSS'</script>",
    "\u202eevil\u202c &lt;b&gt;",
)
CORPUS = " ".join(MARKUP)
COLUMNS = {
    "tasks": ("callee_name", "objective"),
    "campaigns": ("name", "pause_reason"),
    "call_transcripts": ("text",),
    "agents": ("name",),
    "tenants": ("name",),
    "feedback_requests": ("question",),
    "contacts": ("name", "company"),
    "recipients": ("name", "preferences"),
    "dnd_list": ("reason",),
    "conversations": ("display_name",),
    "conversation_turns": ("text",),
    "lifecycle_decisions": ("reason",),
    "webhook_endpoints": ("reason",),
    "webhook_deliveries": ("error",),
    "contact_imports": ("name", "problem"),
    "collected_fields": ("quote",),
    "result_values": ("quote",),
}
"""Free text by table."""
INSIDE = (
    ("analyses", "decision", "$.summary"),
    ("campaign_reports", "words", "$.headline"),
    ("campaign_reports", "words", "$.summary"),
    ("call_events", "data", "$.detail"),
)
"""Free text inside of JSON; rows without that place stay as they are."""


async def plant(db: Database) -> int:
    """Writes the corpus into every row of these columns; answers how many columns took it."""
    taken = 0
    for table, columns in COLUMNS.items():
        known = {str(row[0]) for row in await db.fetch(f"SELECT name FROM pragma_table_info('{table}')")}
        assert set(columns) <= known, f"{table} has no {set(columns) - known}"
        for column in columns:
            taken += await _fill(db, table, column)
    for table, column, place in INSIDE:
        changed = f"json_replace({column}, '{place}', :text)"
        await db.execute(f"UPDATE {table} SET {column} = {changed} WHERE json_valid({column})", {"text": CORPUS})
    return taken + len(INSIDE)


async def _fill(db: Database, table: str, column: str) -> bool:
    """The longest form that fits: some columns are bounded, some names are unique."""
    for value in (":text", "substr(:text, 1, 180)", "substr(:text, 1, 76)", "substr(:text, 1, 76) || ' ' || id"):
        try:
            async with db.tx() as tx:
                await tx.execute(f"UPDATE {table} SET {column} = {value}", {"text": CORPUS})
        except ConstraintFailed:
            continue
        return True
    return False
