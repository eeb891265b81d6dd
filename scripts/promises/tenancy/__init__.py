"""Promise `tenancy`: nobody sees, changes or learns of another tenant's rows; everybody may what the role says.

The matrix is made from the application's own routes: each with every role, cookie and token, own and foreign rows,
by what the route itself declares. The rows are full of words that belong to one tenant only; those are looked for
in every answer, live frame and log line, and in what the models are sent. Every statement that touches tenants'
rows must say whose. A route, a path parameter or a table that the promise does not know makes it fail and says
where to add it.
"""

import contextlib
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain import people
from app.domain.people import Role
from app.figures import Result
from app.store import agents, calls, recipients
from scripts.promises.changed import changed
from scripts.promises.tenancy import matrix, outside
from scripts.promises.tenancy.house import House, Route, house
from scripts.promises.tenancy.matrix import Findings
from scripts.promises.tenancy.world import BOTH_WAYS, TENANTS
from web import app as web_app
from web import live, view
from web.auth import NEEDS


def run(seed: int, mutant: str = "", *, short: bool = False) -> Result:
    """All of it, nothing is random. `short`: three roles, one direction. A mutant is tried where it shows."""
    began, found, figures = time.monotonic(), Findings(), {}
    wrong = MUTANTS.get(mutant)
    with wrong.make() if wrong else contextlib.nullcontext():
        if wrong is None or wrong.shows in {"answers", "frames"}:
            with house() as console:
                figures = _matrix(console, found, _Extent.of(wrong, short=short))
        if wrong is None or wrong.shows == "call":
            outside.a_call_is_told_its_own(found)
    leaks = [one for one in found.wrong if wrong is None or wrong.sign in one]
    return Result(
        name="tenancy",
        n=found.pairs,
        violations=len(leaks),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures=figures | {"leaks": len(leaks), "first": "; ".join(leaks[:3])},
    )


@dataclass
class _Extent:
    """How much is tried."""

    roles: tuple[Role, ...] = matrix.PEOPLE
    pairs: tuple[tuple[str, str], ...] = BOTH_WAYS
    answers: bool = True
    frames: bool = True

    @staticmethod
    def of(wrong: "Mutant | None", *, short: bool) -> "_Extent":
        if wrong is None and not short:
            return _Extent()
        few = (Role.OWNER, Role.OPERATOR, Role.VIEWER)
        shows = "" if wrong is None else wrong.shows
        return _Extent(few, BOTH_WAYS[:1], answers=shows != "frames", frames=shows != "answers")


def _matrix(console: House, found: Findings, extent: _Extent) -> dict[str, Any]:
    routes = matrix.declared(console, found)
    if extent.answers:
        _answers(console, found, routes, extent)
    if extent.frames:
        outside.live(console, found, routes)
    outside.logs_hold_nothing(console, found)
    for statement in sorted(console.db.unscoped):
        found.check(False, f"a statement does not say whose rows: {statement}")
    return {
        "routes": len(console.routes),
        "requests": console.asked,
        "statements": len(console.db.statements),
        "model_requests": console.models_asked,
    }


def _answers(console: House, found: Findings, routes: list[Route], extent: _Extent) -> None:
    """Foreign rows first, since nothing of them may change; what the people themselves do changes much."""
    matrix.strangers(console, found, routes)
    for tenant, victim in extent.pairs:
        matrix.foreign(console, found, routes, (tenant, victim), extent.roles)
        matrix.bodies(console, found, routes, tenant, victim)
        outside.models_read(console, found, victim)
    for tenant, other in extent.pairs:
        matrix.owners(console, found, routes, tenant, extent.roles)
        outside.models_read(console, found, other)


# --- deliberately wrong products -----------------------------------------------------------------------------
def _anywhere(owner: Any, name: str) -> Callable[[], AbstractContextManager[Any]]:
    """A query that does not ask whose row it is, although it says the word."""
    sql: str = getattr(owner, name)
    newest = " ORDER BY updated_ms DESC" if owner is recipients else ""
    without = newest.join((re.sub(r"(\w\.)?tenant_id = :tenant_id", ":tenant_id = :tenant_id", sql, count=1), ""))
    assert without != sql, name
    return lambda: changed(owner, name, without)


def _unscoped() -> AbstractContextManager[None]:
    """A list of everybody's agents, of which the page shows the tenant's own: one forgotten filter from a leak."""
    everybody = re.sub(r"WHERE tenant_id = :tenant_id AND", "WHERE :after = :after AND", agents._PAGE)

    async def page(sql: Any, tenant_id: str, *, after: str, limit: int) -> list[Any]:
        rows = await sql.fetch(everybody, {"after": after, "limit": limit})
        return [one for one in map(agents._agent, rows) if one.tenant_id == tenant_id]

    return changed(agents, "page", page)


def _silent_route() -> AbstractContextManager[None]:
    real = web_app.people_routes

    def undeclared(*given: Any) -> Any:
        routes = real(*given)
        routes[0].opt.pop(NEEDS)
        return routes

    return changed(web_app, "people_routes", undeclared)


_of = live.Hubs.of
_ALL = frozenset(people.Permission)


class Mutant(msgspec.Struct, frozen=True):
    """A wrong product, where that shows (answers, frames, call), and words of the sentence that must say so."""

    make: Callable[[], AbstractContextManager[Any]]
    shows: str
    sign: str


MUTANTS: dict[str, Mutant] = {
    "agent_of_anybody": Mutant(_anywhere(agents, "_GET"), "answers", "with a foreign agent_id answers 200"),
    "calls_of_anybody": Mutant(
        _anywhere(calls, "_WALL_SOME"), "answers", "shows owner (cookie) of another tenant"
    ),
    "unscoped_list": Mutant(_unscoped, "answers", "a statement does not say whose rows: SELECT"),
    "memory_of_anybody": Mutant(_anywhere(recipients, "_GET"), "call", "model was told words of another tenant"),
    "silent_route": Mutant(_silent_route, "answers", "declares nothing"),
    "numbers_in_full": Mutant(
        lambda: changed(view, "mask_number", lambda number: number), "answers", "shows a viewer a number in full"
    ),
    "viewers_rule": Mutant(
        lambda: changed(people, "GRANTS", people.GRANTS | {Role.VIEWER: _ALL}), "answers", "not 403"
    ),
    "voices_of_anybody": Mutant(
        _anywhere(calls, "_GET"), "frames", "/calls/{call_id}/audio opens a foreign call_id"
    ),
    "one_hub": Mutant(
        lambda: changed(live.Hubs, "of", lambda hubs, _tenant: _of(hubs, TENANTS[0])),
        "frames",
        "words of another tenant",
    ),
}
