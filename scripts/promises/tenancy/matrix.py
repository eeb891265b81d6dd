"""Every route x who asks x whose rows: what must come back, and what must never."""

import re
from collections.abc import Iterable
from typing import Any

from app.domain.people import GRANTS, Role
from scripts.promises.tenancy.house import WEBSOCKET, House, Route
from scripts.promises.tenancy.rows import NUMBER, mark, row_id
from scripts.promises.tenancy.world import PARAMETERS, PLAIN, TENANTS, WITHOUT_ROWS, dump

Who = tuple[str, Role, str]
OPEN = {"/sign-in", "/enter", "/sign-out", "/health", "/static/{file_path}"}
"""What everybody may have; a new one is a decision, and belongs here."""
FULL = re.compile(re.escape(NUMBER[1:-1]) + r"\d")
"""Any number of the tenants, in full."""
UNKNOWN = "0" * 31 + "1"
PEOPLE: tuple[Role, ...] = tuple(Role)


class Findings:
    """What was wrong."""

    def __init__(self) -> None:
        self.pairs = 0
        self.wrong: list[str] = []

    def check(self, good: bool, sentence: str) -> None:
        """One statement about one route, one person, one owner."""
        if not good and sentence not in self.wrong:
            self.wrong.append(sentence)


def declared(house: House, found: Findings) -> list[Route]:
    """The routes that can be tried; what says nothing, or cannot be asked, is wrong."""
    routes = house.routes
    for route in routes:
        found.check(route.need is not None, f"{route.name} declares nothing: opt=needs(...) or PUBLIC")
        found.check(
            not route.public or route.path in OPEN, f"{route.name} is open to everybody and not known to be"
        )
        for name in route.unknown:
            place = "PARAMETERS (with its row) or PLAIN of scripts/promises/tenancy/world.py"
            found.check(False, f"{route.name} has a parameter {{{name}}} without an example: add it to {place}")
    for tenant in TENANTS:
        for table, rows in dump(house.path, tenant).items():
            filled = rows or table in WITHOUT_ROWS
            found.check(
                bool(filled),
                f"the table {table} has no row of {tenant}: add one to scripts/promises/tenancy/rows.py",
            )
    return [one for one in routes if one.need is not None and not one.public and not one.unknown]


def strangers(house: House, found: Findings, routes: Iterable[Route]) -> None:
    """Nobody, and somebody with a wrong key."""
    for route in routes:
        if route.method == WEBSOCKET:
            continue
        found.pairs += 1
        answer = house.ask(route, None, own(TENANTS[0]))
        found.check(answer.status_code == 401, f"{route.name} answers {answer.status_code} to nobody")
        _sober(found, route, "nobody", answer, TENANTS)


def foreign(
    house: House, found: Findings, routes: list[Route], between: tuple[str, str], roles: Iterable[Role]
) -> None:
    """Somebody of `tenant` asks for rows of `victim`: 403 by role, else what an unknown id gets. None changes."""
    tenant, victim = between
    before = dump(house.path, victim)
    for route in routes:
        if route.method == WEBSOCKET:
            continue
        for who in _callers(tenant, roles):
            found.pairs += 1
            told = f"{who[1]} ({who[2]}) of another tenant"
            if not route.allowed(GRANTS[who[1]]):
                answer = house.ask(route, who, own(victim))
                found.check(
                    answer.status_code == 403, f"{route.name} answers {answer.status_code} to {told}: not 403"
                )
                _sober(found, route, told, answer, [victim])
                continue
            for name in route.rows or [""]:
                _as_unknown(house, found, route, who, (name, victim))
    after = dump(house.path, victim)
    for table, rows in before.items():
        found.check(rows == after[table], f"somebody of {tenant} changed rows of {victim} in {table}")


def _as_unknown(house: House, found: Findings, route: Route, who: Who, aim: tuple[str, str]) -> None:
    """One parameter names a row of the victim, all others are the asker's own."""
    name, victim = aim
    told = f"{who[1]} ({who[2]}) of another tenant"
    answer = house.ask(route, who, ids(who[0], name, row_id(victim, PARAMETERS.get(name, ""))))
    _sober(found, route, told, answer, [victim])
    found.check(answer.status_code < 500, f"{route.name} answers {answer.status_code} to {told}")
    if not name:
        return
    unknown = house.ask(route, who, ids(who[0], name, UNKNOWN))
    what = f"{route.name} with a foreign {name}"
    filtered = name not in route.parameters and answer.status_code == 200  # a filter that nothing fits
    found.check(filtered or answer.status_code == 404, f"{what} answers {answer.status_code}, not 404, to {told}")
    same = _plain(answer, row_id(victim, PARAMETERS[name])) == _plain(unknown, UNKNOWN)
    found.check(same, f"{what} answers otherwise than with an unknown one")


def bodies(house: House, found: Findings, routes: list[Route], tenant: str, victim: str) -> None:
    """Ids of another tenant in a body, and a `tenant_id` that nobody asked for: nothing of the victim moves."""
    before = dump(house.path, victim)
    who = (tenant, Role.OWNER, "cookie")
    for route in routes:
        if route.method in {WEBSOCKET, "GET"}:
            continue
        found.pairs += 1
        _, body = route.request(_mixed(tenant, victim, route))
        for kind in ("json", "data"):
            if isinstance(body.get(kind), dict):
                answer = house.ask(route, who, _mixed(tenant, victim, route))
                _sober(found, route, "an owner with foreign ids in the body", answer, [victim])
                more = {kind: {**body[kind], "tenant_id": victim}}
                answer = house.ask(route, who, _mixed(tenant, victim, route), **more)
                _sober(found, route, "an owner who names another tenant", answer, [victim])
    for table, rows in dump(house.path, victim).items():
        found.check(rows == before[table], f"a body with ids of {victim} changed its rows in {table}")


def owners(house: House, found: Findings, routes: list[Route], tenant: str, roles: Iterable[Role]) -> None:
    """People of the tenant itself: what the role may, no more; numbers in full for those who may see them."""
    other = next(one for one in TENANTS if one != tenant)
    reads_first = sorted(routes, key=lambda one: (one.method != "GET", _rank(one)))
    for route in reads_first:
        if route.method == WEBSOCKET:
            continue
        statuses: list[int] = []
        for who in _callers(tenant, roles):
            found.pairs += 1
            answer = house.ask(route, who, own(tenant))
            told = f"{who[1]} ({who[2]}) of the same tenant"
            if route.allowed(GRANTS[who[1]]):
                statuses.append(answer.status_code)
                good = answer.status_code not in {401, 403, 405} and answer.status_code < 500
                found.check(good, f"{route.name} answers {answer.status_code} to {told}")
            else:
                found.check(
                    answer.status_code == 403, f"{route.name} answers {answer.status_code} to {told}: not 403"
                )
            _sober(found, route, told, answer, [other])
            if who[1] is Role.VIEWER:
                found.check(FULL.search(answer.text) is None, f"{route.name} shows a viewer a number in full")
        alive = not statuses or any(status != 404 for status in statuses)
        found.check(
            alive, f"{route.name} finds no example: give its parameters a row in scripts/promises/tenancy/world.py"
        )


def _rank(route: Route) -> int:
    """What ends somebody's access, or shuts a row, comes last."""
    return sum(word in route.path for word in ("disable", "{deed}", "revoke", "delete", "cancel", "stop")) + (
        route.method == "DELETE"
    )


def _callers(tenant: str, roles: Iterable[Role]) -> list[Who]:
    return [(tenant, role, via) for role in roles for via in ("cookie", "token")]


def own(tenant: str) -> Any:
    """Ids of this tenant's rows by the name of the parameter."""
    return lambda name: PLAIN[name] if name in PLAIN else row_id(tenant, PARAMETERS.get(name) or name)


def ids(tenant: str, name: str, value: str) -> Any:
    mine = own(tenant)
    return lambda one: value if one == name else mine(one)


def _mixed(tenant: str, victim: str, route: Route) -> Any:
    """Own ids in the address, foreign ones in the body."""
    mine, theirs = own(tenant), own(victim)
    return lambda one: mine(one) if one in route.parameters else theirs(one)


def _plain(answer: Any, given: str) -> tuple[int, str]:
    """Status and body without the id that was asked for, and without what changes from second to second."""
    text = re.sub(r"data-now=\"\d+\"|\d{2}:\d{2}:\d{2}|\"now_ms\":\d+", "", answer.text.replace(given, "ID"))
    return answer.status_code, text


def _sober(found: Findings, route: Route, told: str, answer: Any, victims: Iterable[str]) -> None:
    """Nothing of the victims stands in an answer or its headers."""
    text = answer.text + str(answer.headers)
    for victim in victims:
        found.check(mark(victim) not in text, f"{route.name} shows {told} words of {victim}")
