"""What a browser's person reads when something is refused: a page with the sentence and a way back."""

import pytest

from app.domain.people import Role
from tests.unit.app.store_world import TENANT
from tests.unit.web.test_access import HOST, House, house

__all__ = ["house"]
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OWNER, VIEWER = (TENANT, Role.OWNER), (TENANT, Role.VIEWER)


def test_who_may_not_open_a_page_reads_why(house: House) -> None:
    page = house.ask("GET", "/people", house.cookies[VIEWER], headers=PAGE)
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "Your role (viewer) does not allow this" in page.text
    assert '<a href="/">To the first page</a>' in page.text
    assert '<nav aria-label="Main">' in page.text
    script = house.ask("GET", "/people", house.cookies[VIEWER])
    assert script.json()["code"] == "not_allowed"


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        (f"{HOST}/do-not-call?of=own&q=%2B1", "/do-not-call?of=own&amp;q=%2B1"),
        (f"{HOST}//else.example/x", "/"),
        ("https://else.example/do-not-call", "/"),
        ("http://[", "/"),
    ],
)
def test_the_way_back_leads_to_the_page_before_and_never_elsewhere(house: House, referer: str, back: str) -> None:
    path, headers = f"/do-not-call/{'e' * 32}/remove", {"origin": HOST, "referer": referer, **PAGE}
    page = house.ask("POST", path, house.cookies[OWNER], headers=headers, data={"reason": "x"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert f'<p><a href="{back}">' in page.text


def test_a_form_sent_after_the_session_ended_leads_back_by_the_sign_in(house: House) -> None:
    headers = {"origin": HOST, "referer": f"{HOST}/tasks?state=held&q=x", **PAGE}
    page = house.ask("POST", f"/questions/{'0' * 32}", headers=headers, data={"answer": "yes"})
    assert page.status_code == 401
    assert 'href="/sign-in?following=%2Ftasks%3Fstate%3Dheld%26q%3Dx"' in page.text


def test_the_sign_in_leads_back_to_the_whole_address(house: House) -> None:
    page = house.ask("GET", "/tasks?state=held&q=a%26b", headers=PAGE)
    assert page.status_code == 303
    assert page.headers["location"] == "/sign-in?following=%2Ftasks%3Fstate%3Dheld%26q%3Da%2526b"
    form = house.ask("GET", page.headers["location"], headers=PAGE)
    assert 'name="following" value="/tasks?state=held&amp;q=a%26b"' in form.text


def test_what_the_framework_refuses_is_a_page_too(house: House) -> None:
    gone = house.ask("GET", "/nothing-here", house.cookies[OWNER], headers=PAGE)
    assert (gone.status_code, "There is nothing at this address." in gone.text) == (404, True)
    long = {"answer": "x" * 3000}
    headers = {"origin": HOST, **PAGE}
    path = f"/questions/{'0' * 32}"
    refused = house.ask("POST", path, house.cookies[OWNER], headers=headers, data=long)
    assert (refused.status_code, refused.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "does not fit this form" in refused.text


def test_programs_keep_their_problem_details(house: House) -> None:
    answer = house.ask("GET", "/api/v1/people", house.cookies[OWNER], headers=PAGE)
    assert answer.headers["content-type"] == "application/problem+json"
