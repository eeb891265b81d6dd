"""The doctor in the console: checks come line by line, one at a time, the site's facts stay with it."""

import json
from typing import Any

import pytest

from app.config import Settings
from app.doctor.check import Check
from app.domain.people import Person, Role
from app.errors import ConflictError
from tests.unit.app.store_world import TENANT
from tests.unit.web.test_access import OTHER, House, house
from web.doctor.routes import Doctor, told

__all__ = ["house"]
PATH = "/doctor/examination"


def examined(house: House, tenant: str, role: Role = Role.OWNER) -> list[dict[str, Any]]:
    answer = house.ask("POST", PATH, house.cookies[tenant, role])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_page_says_what_an_examination_does(house: House) -> None:
    page = house.ask("GET", "/doctor", house.cookies[TENANT, Role.AUDITOR])
    assert "Examine now" in page.text
    assert "opendeep doctor" in page.text
    for role in (Role.OPERATOR, Role.VIEWER):
        assert house.ask("GET", "/doctor", house.cookies[TENANT, role]).status_code == 403
        assert house.ask("POST", PATH, house.cookies[TENANT, role]).status_code == 403


def test_every_check_is_a_line_and_the_last_one_says_so(house: House) -> None:
    lines = examined(house, TENANT)
    assert lines[-1] == {"over": True}
    names = [line["name"] for line in lines[:-1]]
    assert names[:3] == ["python", "sqlite", "settings"]
    assert {"calling rules", "database", "simulation"} <= set(names)
    assert "rtp" not in names, "the program holds that port itself"
    assert examined(house, TENANT)[-1] == {"over": True}, "the next one may begin"


def test_another_tenant_learns_only_what_is_wrong(house: House) -> None:
    ours, theirs = examined(house, TENANT), examined(house, OTHER)
    assert [line.get("severity") for line in ours] == [line.get("severity") for line in theirs]
    assert {line["message"].split(".")[0] for line in theirs[:-1]} <= {
        "in order",
        "could be better",
        "does not work",
    }
    person = Person(tenant_id=OTHER, user_id="u", name="U", role=Role.OWNER, via="session", key_id="k")
    check = Check(severity="fail", name="asterisk", message="http://10.0.0.1:8088 refused")
    assert "10.0.0.1" not in told(person, check).message


@pytest.mark.anyio
async def test_one_at_a_time() -> None:

    doctor = Doctor(Settings.model_validate({"simulate": True, "ari_app": "x"}))
    person = Person(tenant_id=TENANT, user_id="u", name="U", role=Role.OWNER, via="session", key_id="k")
    first = doctor.begin(person)
    await anext(first)
    with pytest.raises(ConflictError, match="under way"):
        doctor.begin(person)
    await first.aclose()
    assert await anext(doctor.begin(person)), "who goes away in the middle leaves it free"
