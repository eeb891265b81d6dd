"""`opendeep user` and `opendeep audit`, run as programs would: a link, a token, sentences for what cannot be."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli.main import opendeep
from app.errors import AppError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMULATE", "True")


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(opendeep, arguments, input=typed)


def test_from_the_first_user_to_a_whole_audit_log() -> None:
    assert "Nobody yet" in run("user", "list").output
    added = run("user", "add", "Anna@Example.org", "--name", "Anna", "--role", "owner")
    assert re.search(r"http://127\.0\.0\.1:8000/enter#[\w-]{40,}", added.output)
    assert "anna@example.org is owner of default." in added.output
    assert "/enter#" in run("user", "link", "anna@example.org").output
    assert run("user", "token", "CRM", "--role", "viewer").output.startswith("odt_")
    typed = "correct horse battery\ncorrect horse battery\n"
    assert "have ended" in run("user", "password", "anna@example.org", typed=typed).output
    run("user", "add", "ben@example.org", "--tenant", "branch", "--role", "owner")
    assert "may not sign in" not in run("user", "disable", "anna@example.org").output, "the last owner stays"
    listed = json.loads(run("user", "list", "--json").output)
    assert [(one["email"], one["role"], one["tenant_id"]) for one in listed["users"]] == [
        ("ben@example.org", "owner", "branch"),
        ("anna@example.org", "owner", "default"),
    ]
    checked = run("audit", "verify", "--json")
    assert checked.exit_code == 0
    assert [one["n"] for one in json.loads(checked.output.splitlines()[-1])["results"]] == [2, 5]


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("user", "add", "nonsense"), None, "no e-mail address"),
        (("user", "link", "nobody@example.org"), None, "There is no user"),
        (("user", "token", "x", "--tenant", "nowhere"), None, "There is no tenant"),
        (("user", "password", "ben@example.org"), "short\nshort\n", "at least 12 characters"),
        (("user", "add", "ben@example.org"), None, "There is a user ben@example.org already"),
        (("user", "role", "ben@example.org", "viewer"), None, "last owner"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: tuple[str, ...], typed: str | None, said: str) -> None:
    run("user", "add", "ben@example.org", "--role", "owner")
    done = run(*arguments, typed=typed)
    assert isinstance(done.exception, AppError)
    assert said in done.exception.message


def test_a_shut_out_user_is_shown_so() -> None:
    run("user", "add", "anna@example.org", "--role", "owner")
    run("user", "add", "ben@example.org")
    assert "may not sign in any more" in run("user", "disable", "ben@example.org").output
    assert "(shut out)" in run("user", "list").output
    assert "may sign in again" in run("user", "disable", "ben@example.org", "--undo").output
    assert "is manager now" in run("user", "role", "ben@example.org", "manager").output
