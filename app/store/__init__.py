"""The store: the only truth. SQL as text, one file of functions per subject, structs from rows, no ORM.

Functions take a reader, writer or transaction first, then the tenant. A `Tx` parameter means: several statements
that are committed together or not at all, and the caller owns the transaction.
"""
