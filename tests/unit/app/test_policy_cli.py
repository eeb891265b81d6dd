"""`opendeep policy`: the answer as a sentence, as JSON and as exit status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli.policy import policy_command
from app.errors import ValidationFailed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(policy_command, ["check", *arguments])


def told(*arguments: str) -> dict:
    result = run(*arguments, "--json")
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["ok"] is (result.exit_code == 0)
    return answer


def test_open_and_closed() -> None:
    at = ("--zone", "America/New_York", "--at")
    assert told("+1 202 555 0123", *at, "2026-11-18T09:00")["sentence"] == (
        "May be called: it is Wed 18 Nov 2026 09:00 in New York (Wed 14:00 UTC)."
    )
    closed = told("+12025550123", *at, "2026-11-18T08:59")
    assert (closed["rule"], closed["next_open_ms"] - closed["at_ms"]) == ("window", 60_000)
    assert told("+12025550123", *at, "2026-11-18T08:59", "--pack", "us-federal")["ok"]
    assert told("+12025550123", *at, "2026-11-18T14:00Z")["ok"]


def test_inferred_zones_are_an_hour_shorter() -> None:
    assert not told("+12025550123", "--at", "2026-11-18T09:59")["ok"]
    answer = told("+12025550123", "--at", "2026-11-18T10:00")
    assert answer["ok"]
    assert answer["zones"]["inferred"]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("911",), "number"),
        (("+19005550123",), "number"),
        (("+819012345678",), "pack"),
        (("+18005551234",), "zone"),
        (("+12025550123", "--zone", "EST"), "zone"),
    ],
)
def test_what_is_in_the_way(arguments: tuple[str, ...], rule: str) -> None:
    answer = told(*arguments)
    assert answer["rule"] == rule
    assert not answer["ok"]


def test_what_the_packs_ask_for_depends_on_purpose_and_callee() -> None:
    marketing = run("+33140205050", "--purpose", "marketing").output
    assert "needs: express consent to a marketing call" in marketing
    assert "packs: eu 2026.2, fr 2026.2" in marketing
    assert "consent to" not in run("+12025550123", "--kind", "business").output
    assert "us-national-dnc" in run("+12025550123", "--purpose", "marketing").output


def test_a_tenants_rules_and_own_packs(tmp_path: Path) -> None:
    overlay = tmp_path / "tenant.toml"
    overlay.write_text('[hours]\nwed = ["12:00-13:00"]\n')
    base = ("+12025550123", "--zone", "America/New_York", "--at", "2026-11-18T10:00", "--overlay", str(overlay))
    assert not told(*base)["ok"]
    overlay.write_text('[hours]\nwed = ["08:00-13:00"]\n')
    assert "hours.wed" in str(run(*base).exception)
    (tmp_path / "empty").mkdir()
    assert "no policy packs" in str(run("+12025550123", "--packs-dir", str(tmp_path / "empty")).exception)


@pytest.mark.parametrize("at", ["soon", "2027-03-14T02:30", "2026-13-01T00:00"])
def test_times_that_make_no_sense(at: str) -> None:
    result = run("+12025550123", "--zone", "America/New_York", "--at", at)
    assert isinstance(result.exception, ValidationFailed)


def test_a_wall_clock_needs_one_zone() -> None:
    assert isinstance(run("+34600000000", "--at", "2026-11-18T10:00").exception, ValidationFailed)


def test_list_names_every_pack() -> None:
    listed = CliRunner().invoke(policy_command, ["list"]).output
    assert [line.split()[0] for line in listed.splitlines()] == ["de", "eu", "fr", "uk", "us-federal", "us-strict"]
