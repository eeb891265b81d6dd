"""The page "People": adding somebody, roles, shutting out, keys; and "Audit" which shows all of it."""

import re

import pytest

from app.domain.people import Role
from tests.unit.web.test_access import CANARY, House, house

__all__ = ["house"]


def owner(of: House, method: str, path: str, **form: str) -> str:
    from tests.unit.app.store_world import TENANT

    answer = of.ask(method, path, of.cookies[TENANT, Role.OWNER], data=form or None)
    assert answer.status_code < 300, answer.text
    return answer.text


def user_id(page: str, email: str) -> str:
    row = next(part for part in page.split("<tr>") if email in part)
    found = re.search(r"/people/([0-9a-f]{32})/role", row)
    assert found is not None
    return found[1]


def test_somebody_new_enters_with_the_link_and_shows_in_the_audit_log(house: House) -> None:
    page = owner(house, "POST", "/people", name="Ben <b>", email="Ben@First.example", role="operator")
    assert "Ben &lt;b&gt;" in page
    link = re.search(r"http://127\.0\.0\.1:8000/enter#([\w-]+)", page)
    assert link is not None
    entered = house.ask("POST", "/enter", json={"secret": link[1]})
    assert entered.status_code == 204
    assert house.ask("GET", "/", entered.cookies["opendeep"]).status_code == 200
    assert house.ask("POST", "/enter", json={"secret": link[1]}).status_code == 401
    log = owner(house, "GET", "/audit")
    assert "user added" in log
    assert "entered by link" in log
    assert link[1] not in log


@pytest.mark.parametrize(
    ("email", "said"), [("nonsense", "no e-mail address"), ("canary@first.example", "already")]
)
def test_who_cannot_be_added_is_told_on_the_page(house: House, email: str, said: str) -> None:
    from tests.unit.app.store_world import TENANT

    answer = house.ask(
        "POST", "/people", house.cookies[TENANT, Role.OWNER], data={"name": "X", "email": email, "role": "viewer"}
    )
    assert answer.status_code == 422
    assert said in answer.text


def test_roles_and_doors(house: House) -> None:
    page = owner(house, "POST", "/people", name="Cleo", email="cleo@first.example", role="viewer")
    cleo = user_id(page, "cleo@first.example")
    owner(house, "POST", f"/people/{cleo}/role", role="auditor")
    assert "shut out" in owner(house, "POST", f"/people/{cleo}/disable")
    owner(house, "POST", f"/people/{cleo}/enable")
    log = owner(house, "GET", "/audit")
    for deed in ("role set", "user disabled", "user enabled"):
        assert deed in log


@pytest.mark.parametrize(
    ("deed", "form", "left"),
    [
        ("disable", {}, {"owner": 401, "viewer": 401}),
        ("role", {"role": "operator"}, {"owner": 401, "viewer": 200}),
        ("role", {"role": "owner"}, {"owner": 200, "viewer": 200}),
    ],
)
def test_who_is_shut_out_or_may_less_does_not_go_on_with_keys(
    house: House, deed: str, form: dict[str, str], left: dict[str, int]
) -> None:
    email = f"{deed}-{form.get('role', 'out')}@first.example"
    page = owner(house, "POST", "/people", name="Dan", email=email, role="owner")
    link = re.search(r"/enter#([\w-]+)", page)
    assert link is not None
    cookie = house.ask("POST", "/enter", json={"secret": link[1]}).cookies["opendeep"]
    keys = {}
    for role in left:
        made = house.ask("POST", "/people/tokens", cookie, data={"name": f"{role} of {email}", "role": role})
        secret = re.search(r"odt_[\w-]{40,}", made.text)
        assert secret is not None
        keys[role] = secret[0]
    said = owner(house, "POST", f"/people/{user_id(page, email)}/{deed}", **form)
    for role, status in left.items():
        answer = house.ask("GET", "/api/v1/calls", headers={"authorization": f"Bearer {keys[role]}"})
        assert answer.status_code == status, role
        assert (f"{role} of {email}" in said.partition("are revoked:")[2].partition("</")[0]) == (status == 401)


def test_a_key_is_shown_once_and_can_be_revoked(house: House) -> None:
    page = owner(house, "POST", "/people/tokens", name="CRM export", role="viewer")
    secret = re.search(r"odt_[\w-]{40,}", page)
    assert secret is not None
    assert secret[0] not in owner(house, "GET", "/people")
    assert CANARY in page, "keys of the tenant are listed"
    row = next(part for part in page.split("<tr>") if "CRM export" in part and "revoke" in part)
    token = re.search(r"/people/tokens/([0-9a-f]{32})/revoke", row)
    assert token is not None
    bearer = {"authorization": f"Bearer {secret[0]}"}
    house.client.cookies.clear()
    assert house.client.get("/", headers=bearer).status_code == 200
    owner(house, "POST", f"/people/tokens/{token[1]}/revoke")
    house.client.cookies.clear()
    assert house.client.get("/", headers=bearer).status_code == 401
