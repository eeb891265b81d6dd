"""Every route of the API by its own description: whatever is sent, the answer is one that it declares."""

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.people import Role
from scripts.promises.tenancy.house import ORIGIN, House, house
from scripts.promises.tenancy.rows import row_id
from scripts.promises.tenancy.world import PARAMETERS, PLAIN
from tests.unit.web.openapi_world import ANYTHING, HOSTILE, Document, mostly, sendable
from web.problems import MEDIA_TYPE

OWNER = ("default", Role.OWNER, "token")
TRIES = 12
"""For each route."""


@pytest.fixture(scope="module")
def console() -> Generator[House]:
    with house() as made:
        yield made


@pytest.fixture(scope="module")
def document(console: House) -> Document:
    answer = console.client.get("/api/v1/openapi.json", headers=console.shown(OWNER))
    return Document(answer.json())


def test_whatever_is_sent_the_answer_is_one_that_is_declared(console: House, document: Document) -> None:
    seen: Counter[int] = Counter()
    wrong: list[str] = []
    for method, path in document.operations:
        before = seen.total()
        try:
            _fuzzed(console, document, (method, path), seen)()
        except AssertionError as failed:
            wrong.append(str(failed))
        assert seen.total() > before, f"{method} {path} was not asked"
    assert not wrong, f"{len(wrong)} routes:\n" + "\n".join(wrong)
    good = sum(count for status, count in seen.items() if status < 400)
    assert good > 80, f"hardly anything was accepted: {seen}"
    assert min(seen[400], seen[404], seen[422]) > 10, f"hardly anything was refused: {seen}"


def _fuzzed(
    console: House, document: Document, operation: tuple[str, str], seen: Counter[int]
) -> Callable[[], None]:
    """One route asked `TRIES` times; raises AssertionError with the smallest request that went wrong."""
    method, path = operation

    @settings(
        max_examples=TRIES, database=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        answer = _send(console, document, data, method, path)
        seen[answer.status_code] += 1
        complaint = _complaint(document, document.paths[path][method], answer)
        sent = answer.request
        assert not complaint, f"{method.upper()} {sent.url}: {complaint}; sent: {sent.content!r}"

    return asked


def test_the_judge_sees_what_is_not_declared(document: Document) -> None:
    schema = {"$ref": "#/components/schemas/Problem"}
    assert document.complaints(schema, {"type": "about:blank", "status": 1, "code": "x", "detail": "y"}) == []
    assert document.complaints(schema, {"type": "about:blank", "status": "1", "code": "x", "detail": "y"})
    assert document.complaints(schema, {"status": 1})


def _send(console: House, document: Document, data: st.DataObject, method: str, path: str) -> Any:
    operation = document.paths[path][method]
    query: list[tuple[str, str]] = []
    headers = console.shown(OWNER) | ORIGIN
    for one in operation.get("parameters", []):
        name, good = one["name"], document.fitting(one["schema"])
        if one["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(data.draw(_example(name), label=name), safe=""))
        elif one["in"] == "query" and data.draw(st.booleans(), label=f"with {name}"):
            value = data.draw(mostly(good, st.sampled_from(HOSTILE) | ANYTHING), label=name)
            query += [(name, str(each)) for each in (value if isinstance(value, list) else [value])]
    bodies = operation.get("requestBody", {}).get("content", {})
    if "application/json" in bodies:
        schema = bodies["application/json"]["schema"]
        value = data.draw(mostly(document.fitting(schema), document.spoiled(schema)), label="body")
        headers["content-type"] = "application/json"
        return console.client.request(method, _with(path, query), headers=headers, content=sendable(value))
    if bodies:
        content = data.draw(st.binary(max_size=200) | st.just(b"number,name\n+15550001,Ann\n"), label="file")
        headers["content-type"] = data.draw(st.sampled_from(sorted(bodies)))
        return console.client.request(method, _with(path, query), headers=headers, content=content)
    return console.client.request(method, _with(path, query), headers=headers)


def _with(path: str, query: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(query, errors='replace')}" if query else path


def _example(name: str) -> st.SearchStrategy[str]:
    """A row of the tenant more often than not; one of another tenant; anything that is one part of an address."""
    strange = st.sampled_from(HOSTILE[2:]) | st.text(
        st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9
    )
    known = PARAMETERS.get(name)
    if known is None:
        return mostly(st.just(PLAIN.get(name, "1")), strange.filter(lambda text: text not in {".", ".."}))
    ids = [
        row_id(tenant, row)
        for tenant in ("default", "other")
        for row in (known, "ended" if known == "call" else known)
    ]
    return mostly(
        st.sampled_from(ids[:2]), st.sampled_from(ids) | strange.filter(lambda text: text not in {".", ".."})
    )


def _complaint(document: Document, operation: dict[str, Any], answer: Any) -> str:
    status, declared = str(answer.status_code), operation["responses"]
    if answer.status_code >= 500:
        return f"answers {status}: {answer.text[:300]}"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status_code >= 400:
        if kind != MEDIA_TYPE:
            return f"{status} is no problem+json but {kind}: {answer.text[:200]}"
        content = declared.get(status, declared["default"])["content"]
        if answer.json()["status"] != answer.status_code:
            return "the problem tells another status"
    elif status not in declared:
        return f"{status} is not declared"
    else:
        content = declared[status].get("content", {})
    if not content:
        return f"{status} is declared without a body: {answer.text[:100]}" if answer.content else ""
    if kind not in content:
        return f"{status} is {kind}, declared is {sorted(content)}"
    if "json" in kind:
        return "; ".join(document.complaints(content[kind]["schema"], answer.json())[:3])
    return ""
