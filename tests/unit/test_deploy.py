"""What files that only other tools read say of the program: names of settings, commands and paths are right."""

import re
from pathlib import Path

import click
import pytest
import yaml

from app.cli.main import opendeep
from app.config import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_the_containers_are_given_settings_that_exist(services: dict[str, dict[str, object]]) -> None:
    given = services["opendeep"]["environment"]
    assert isinstance(given, dict)
    assert {name.lower() for name in given} <= set(Settings.model_fields)
    assert str(given["DATABASE_URL"]).startswith("postgresql://")


def test_the_demo_needs_no_variable() -> None:
    """Compose fills in the whole file before it looks which services are meant."""
    text = (DEPLOY / "compose.demo.yaml").read_text()
    assert "${" not in text
    assert yaml.safe_load(text)["services"]["demo"]["command"] == ["demo"]


def test_no_secret_has_a_value_in_the_file(services: dict[str, dict[str, object]]) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|KEY)\s*:", line):
            assert "${" in line, line
    assert services["opendeep"]["network_mode"] == "host", "RTP"


@pytest.mark.parametrize("words", [["up"], ["init"], ["doctor"], ["demo"], ["drain"]])
def test_the_commands_named_there_exist(words: list[str]) -> None:
    assert opendeep.get_command(click.Context(opendeep), words[0]) is not None


def test_what_the_image_is_made_of_is_there_and_is_let_in() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    paths = [path for line in copied for path in line.split()]
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in let_in
    assert {"app", "stasis", "media", "web"} <= set(paths)


def test_the_unit_of_systemd_starts_a_command_that_exists() -> None:
    unit = (DEPLOY / "opendeep.service").read_text()
    (command,) = re.findall(r"^ExecStart=\S+/opendeep (\w+)$", unit, re.MULTILINE)
    assert opendeep.get_command(click.Context(opendeep), command) is not None
    assert "KillMode=process" in unit, "the media worker outlives the control process"
