"""The one lock between "may be dialed" and "is dialed": whoever commits an intent or an opt-out takes it first.

SQLite has one writer anyway. On a database with row locks the update makes the second of two wait until the first
has committed, so that its reads see what the other wrote: caps hold and an opt-out is never overtaken. Taken as
the first statement of a transaction, before anything is read.
"""

from app.store.db import Tx

_TAKE = "UPDATE dial_lock SET turns = turns + 1 WHERE id = 1"


async def take(tx: Tx) -> None:
    """Hold the lock until the transaction ends. Raises StoreError."""
    await tx.execute(_TAKE)
