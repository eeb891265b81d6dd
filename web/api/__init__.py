"""The API of programs, `/api/v1`: JSON in, JSON out, problem details (RFC 9457) for everything that goes wrong.

How to add a resource:

1. `web/api/<resource>.py` with `def <resource>_api(...) -> list[HTTPRouteHandler]`, and one line in
   `web/api/resources.py`. Paths are relative: `@get("/dnc", opt=needs(Permission.RULE))`. The first line of a
   route's docstring is its sentence in the reference. Raise the errors of `app.errors`; build no refusal by hand.
2. A list answers `Page[T]`: `at = paging(request, "dnc", cursor, limit, str, int)`, then fetch `at.limit + 1` rows
   after the key `at.after` (None: from the start) in the order of that key, then
   `at.page(rows, key=lambda row: (row.number, row.created_ms), shown=view)`. A filter belongs into the name:
   `f"dnc {country}"`, so that a cursor is not used with another filter.
3. A POST does its deed in `once.do(request, deed)`: `deed(tx)` writes everything in that one transaction, the
   audit entry too, and returns what is answered. With an `Idempotency-Key` it is then done once, whatever dies.
4. Own structs for what is answered: no `tenant_id`, numbers through `shown_number(person, number)`.
5. A path parameter's name says whose id it is (`{task_id:str}`); `is_id` before it goes into a query, and
   `scripts/promises/tenancy` must know an example for each name.
"""
