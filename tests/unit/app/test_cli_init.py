"""`opendeep init` and `opendeep backup`: what is written is what a start reads; nothing there is written over."""

import json
import logging
import stat
from pathlib import Path

import pytest

from app.config import env_example, load_settings
from app.config.first import env_text, write_env
from app.domain.erasure import Days
from app.erasure.days import house_days
from app.errors import ConfigError, ConflictError, ValidationFailed
from tests.unit.app.test_cli import run

GIVEN = (
    "--no-input", "--test-number", "+1 202 555 0123", "--country", "us,ca", "--caller-id", "+12025550100",
    "--owner", "Anna@example.org",
)  # fmt: skip


def test_what_init_writes_is_what_a_start_reads(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "init",
        *GIVEN,
        "--company",
        "Smith Dental's #1 \\ $HOME",
        "--asterisk",
        "ast",
        OPENAI_API_KEY="sk-1",
    )
    assert done.returncode == 0, done.stderr
    settings = load_settings(tmp_path)
    assert settings.app_test_mode
    assert settings.app_test_mode_redirect_number == "+12025550123"
    assert (settings.allowed_countries, settings.default_region) == ("US,CA", "US")
    assert settings.company_name == "Smith Dental's #1 \\ $HOME"
    assert house_days(settings) == Days(recordings=90, talks=365, chats=365, webhooks=30)
    password = settings.ari_password.get_secret_value()
    assert len(password) >= 40
    assert f"password = {password}" in (tmp_path / "ast" / "ari.conf").read_text().splitlines()
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ast" / "ari.conf").stat().st_mode) == 0o640
    assert "@TRUNK_HOST@" in done.stdout
    assert "/enter#" in done.stdout
    assert password not in done.stdout + done.stderr
    assert not (tmp_path / ".env.new").exists()


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SIMULATE=True\n")
    done = run(tmp_path, "init", *GIVEN, OPENAI_API_KEY="sk-1")
    assert done.returncode == 2
    assert "nothing is written over it" in done.stderr
    assert (tmp_path / ".env").read_text() == "SIMULATE=True\n"
    with pytest.raises(ConflictError):
        write_env(tmp_path, {"SIMULATE": "True"})


def test_what_is_missing_or_wrong_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    missing = run(tmp_path, "init", "--no-input")
    assert missing.returncode == 2
    assert "--test-number, --country, --openai-key" in missing.stderr
    assert "init --simulate" in missing.stderr
    wrong = run(tmp_path, "init", *GIVEN[:4], "ZZ9", *GIVEN[5:], OPENAI_API_KEY="sk-1")
    assert wrong.returncode == 2
    assert "ALLOWED_COUNTRIES" in wrong.stderr
    (tmp_path / "ast").mkdir()
    (tmp_path / "ast" / "ari.conf").write_text("mine")
    there = run(tmp_path, "init", *GIVEN, "--asterisk", "ast", OPENAI_API_KEY="sk-1")
    assert (there.returncode, "ari.conf exists" in there.stderr) == (2, True)
    (tmp_path / "ast" / "ari.conf").unlink()
    (tmp_path / "ast").rmdir()
    with pytest.raises(ConfigError):
        write_env(tmp_path, {"SIMULATE": "perhaps"})
    for bad in ("a\nAPP_TEST_MODE=False", "'\""):
        with pytest.raises(ValidationFailed, match="COMPANY_NAME"):
            env_text({"COMPANY_NAME": bad})
    with pytest.raises(ValidationFailed, match="NO_SUCH"):
        env_text({"NO_SUCH": "1"})
    assert list(tmp_path.iterdir()) == []


def test_an_installation_to_look_at_is_copied_and_put_back(tmp_path: Path) -> None:
    assert run(tmp_path, "init", "--no-input", "--simulate", "--owner", "anna@example.org").returncode == 0
    made = run(tmp_path, "backup", "copy", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout.splitlines()[-1])["results"][0]["figures"]
    assert (told["tasks"], told["missing_recordings"]) == (0, 0)
    assert run(tmp_path, "backup", "--check", "copy").returncode == 0
    there = run(tmp_path, "restore", "copy")
    assert (there.returncode, "move DATA_DIR away first" in there.stderr) == (2, True)
    (tmp_path / "data").rename(tmp_path / "former")
    back = run(tmp_path, "restore", "copy")
    assert back.returncode == 0, back.stderr
    assert "opendeep resume" in back.stderr
    assert "do-not-call entries, withdrawn consents" in back.stderr
    assert "anna@example.org" in run(tmp_path, "user", "list").stdout
    resumed = run(tmp_path, "resume").stdout
    assert "Dialing goes on" in resumed
    assert "  restored: The data are those of a backup" in resumed
    assert "Nothing holds back" in run(tmp_path, "resume").stdout


def test_postgres_is_not_ours_to_copy(tmp_path: Path) -> None:
    done = run(tmp_path, "backup", "copy", SIMULATE="True", DATABASE_URL="postgresql://u:canary@h/d")
    assert done.returncode == 2
    assert "pg_dump" in done.stderr
    assert "canary" not in done.stderr


def test_every_line_of_the_example_is_a_comment_or_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert [line for line in env_example().splitlines() if line.strip() and not line.startswith("#")] == []
    (tmp_path / ".env").write_text(env_example())
    with caplog.at_level(logging.WARNING, logger="dotenv"):
        load_settings(tmp_path, {"simulate": True})
    assert caplog.records == []
