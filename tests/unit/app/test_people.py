"""Roles and what they grant, addresses, passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.people import GRANTS, MIN_PASSWORD, Permission, Person, Role, check_password, read_email
from app.errors import ValidationFailed

P = Permission


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        (Role.OWNER, set(Permission)),
        (Role.MANAGER, set(Permission) - {P.PEOPLE}),
        (Role.OPERATOR, {P.SEE, P.SEE_NUMBERS, P.STEER, P.PLAN}),
        (Role.AUDITOR, {P.SEE, P.SEE_NUMBERS, P.AUDIT}),
        (Role.VIEWER, {P.SEE}),
    ],
)
def test_what_a_role_grants(role: Role, granted: set[Permission]) -> None:
    person = Person(tenant_id="t", user_id="u", name="n", role=role, via="session", key_id="k")
    assert {one for one in Permission if person.may(one)} == granted


def test_every_role_is_there() -> None:
    assert set(GRANTS) == set(Role)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Anna@Example.ORG ", "anna@example.org"),
        ("a@b", "a@b"),
        ("o'neill+x@mail.example", "o'neill+x@mail.example"),
    ],
)
def test_addresses_are_stored_in_one_form(typed: str, stored: str) -> None:
    assert read_email(typed) == stored


@pytest.mark.parametrize("typed", ["", "anna", "@b", "a@", "a b@c", "a@b@c", "a@.b", "a@b..c", "\0@b"])
def test_what_is_no_address(typed: str) -> None:
    if typed == "a@b\n":
        assert read_email(typed) == "a@b"
        return
    with pytest.raises(ValidationFailed):
        read_email(typed)


@pytest.mark.parametrize(
    "password",
    [
        "short", "passwordpassword", "P4ssw0rd!P4ssw0rd", "Password1234", "aaaaaaaaaaaaaa", "abcdefghijklmnop",
        "12345678901234567890", "annabella1234567", "letmein-letmein!", "x" * 201, "welcome123456",
    ],
)  # fmt: skip
def test_passwords_that_are_refused(password: str) -> None:
    with pytest.raises(ValidationFailed):
        check_password(password, "annabella@example.org")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "vier graue Katzen",
        "T7#kq9!zLm2@",
        "my password is a long sentence",
        "日本語のパスワードです長い",
    ],
)
def test_passwords_that_are_taken(password: str) -> None:
    check_password(password, "annabella@example.org")


@given(st.text(max_size=MIN_PASSWORD - 1))
def test_nothing_short_is_taken(password: str) -> None:
    with pytest.raises(ValidationFailed):
        check_password(password, "a@b")
