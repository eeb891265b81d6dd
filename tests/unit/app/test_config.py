"""Settings: every bad key is named at once, nothing secret is repeated, `.env.example` is complete."""

from pathlib import Path

import pytest

from app.config import KEYS, Settings, env_example, load_settings, setting_warnings
from app.config.settings import GROUPS
from app.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)


def problems(directory: Path, **overrides: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_settings(directory, overrides)
    return caught.value.problems


def test_simulation_needs_nothing(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {"simulate": True})
    assert settings.ari_app == "opendeep-main"
    assert settings.database_path == Path("data/simulated/opendeep.db")  # never beside real tasks
    assert settings.call_slots == settings.max_concurrent_calls == 5


def test_a_real_start_without_secrets_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path)
    assert [line.split()[0] for line in found] == ["ARI_PASSWORD", "OPENAI_API_KEY"]
    assert all("SIMULATE" in line for line in found)


def test_test_mode_without_a_number_is_refused_and_with_one_makes_one_call_at_a_time(tmp_path: Path) -> None:
    assert "APP_TEST_MODE_REDIRECT_NUMBER" in problems(tmp_path, simulate=True, app_test_mode=True)[0]
    values = {"simulate": True, "app_test_mode": True, "app_test_mode_redirect_number": "+15551000042"}
    assert load_settings(tmp_path, values).call_slots == 1


def test_a_real_redirect_number_must_exist(tmp_path: Path) -> None:
    values = {"ari_password": "x", "openai_api_key": "y", "app_test_mode": True}
    assert "not a number" in problems(tmp_path, **values, app_test_mode_redirect_number="+15551000042")[0]
    assert load_settings(tmp_path, values | {"app_test_mode_redirect_number": "+12025550123"}).app_test_mode
    assert "E.164" in problems(tmp_path, **values, app_test_mode_redirect_number="+1 202 555 0123")[0]


def test_the_key_of_openai_goes_to_openai_only(tmp_path: Path) -> None:
    def key(**changes: object) -> str:
        return load_settings(tmp_path, {"simulate": True, "openai_api_key": "theirs", **changes}).text_key

    assert key() == "theirs"
    assert key(text_base_url="http://127.0.0.1:11434/v1") == ""
    assert key(text_base_url="https://api.openai.com.evil.example/v1") == ""
    assert key(text_base_url="http://127.0.0.1:11434/v1", text_api_key="own") == "own"
    assert key(text_api_key="own") == "own"


def test_text_quirks_are_checked(tmp_path: Path) -> None:
    assert "no_magic" in problems(tmp_path, simulate=True, text_api="chat", text_quirks="no_magic")[0]
    assert "TEXT_API" in problems(tmp_path, simulate=True, text_quirks="no_store")[0]
    made = load_settings(tmp_path, {"simulate": True, "text_api": "chat", "text_quirks": "no_store, max_tokens"})
    assert made.quirks == ("no_store", "max_tokens")
    assert "TEXT_BASE_URL" in problems(tmp_path, simulate=True, text_base_url="ws://x")[0]


def test_an_asterisk_that_dials_us_needs_a_password(tmp_path: Path) -> None:
    values = {"ari_password": "x", "openai_api_key": "y", "ari_events": "asterisk_dials"}
    assert [line.split()[0] for line in problems(tmp_path, **values)] == ["ARI_LISTEN_PASSWORD"]
    settings = load_settings(tmp_path, {**values, "ari_listen_password": "canary"})
    assert (settings.ari_listen_host, settings.ari_listen_port) == ("127.0.0.1", 8765)
    assert "canary" not in repr(settings)
    assert (
        load_settings(tmp_path, {"simulate": True, "ari_events": "asterisk_dials"}).ari_events == "asterisk_dials"
    )
    assert problems(tmp_path, simulate=True, ari_events="both", ari_listen_username="a:b")[0].startswith(
        "ARI_EVENTS"
    )


def test_all_bad_keys_are_named_in_one_go_without_traceback_or_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "RING_TIMEOUT_S=soon\nWEB_PORT=0\nNODE_NAME=two words\nTRUNK_ENDPOINT=PJSIP/trunk\nARI_URL=localhost\n"
        "OPENAI_API_KEY=sk-canary-123\nLEG_CODEC=opus\nAPP_TEST_MODE=maybe\n"
    )
    found = problems(tmp_path)
    text = "\n".join(found)
    for key in ("RING_TIMEOUT_S", "WEB_PORT", "NODE_NAME", "TRUNK_ENDPOINT", "ARI_URL", "LEG_CODEC"):
        assert sum(line.startswith(key) for line in found) >= 1, key
    assert "APP_TEST_MODE is 'maybe'" in text
    assert "'soon'" in text
    assert "canary" not in text
    assert "pydantic" not in text.lower()


def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    assert "canary" not in str(problems(tmp_path, openai_api_key=["canary"]))


@pytest.mark.parametrize(
    "endpoint", ["PJSIP/trunk", "{number}", "PJSIP/{number}{number}", "PJSIP/{number}@{x}", "PJSIP {number}", ""]
)
def test_the_endpoint_has_the_number_exactly_once(tmp_path: Path, endpoint: str) -> None:
    assert problems(tmp_path, simulate=True, trunk_endpoint=endpoint)[0].startswith("TRUNK_ENDPOINT")


def test_weight_of_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opendeep.toml").write_text(
        'simulate = true\n[calls]\nring_timeout_s = 11\nVOICE = "ash"\nlease_s = 12\n'
    )
    (tmp_path / ".env").write_text("RING_TIMEOUT_S=21\nLEASE_S=22\nVOICE=\n")
    monkeypatch.setenv("LEASE_S", "33")
    settings = load_settings(tmp_path)
    assert (settings.ring_timeout_s, settings.lease_s, settings.voice) == (21, 33, "ash")
    assert load_settings(tmp_path, {"lease_s": 44}).lease_s == 44


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "opendeep.toml").write_text("a = = 1")
    assert problems(tmp_path)[0].startswith("opendeep.toml cannot be read")
    (tmp_path / "opendeep.toml").unlink()
    (tmp_path / ".env").write_bytes(b"VOICE=\xff\xfe\n")
    assert problems(tmp_path)[0].startswith(".env cannot be read")


def test_misspelt_keys_are_reported_and_foreign_ones_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAX_CONCURENT_CALLS=3\nPOSTGRES_PASSWORD=x\nOPENDEEP_ANYTHING=1\nVOICE=ash\n")
    (tmp_path / "opendeep.toml").write_text("colour = 1\n")
    found = setting_warnings(tmp_path)
    assert len(found) == 3
    assert "did you mean MAX_CONCURRENT_CALLS?" in found[0]
    assert "OPENDEEP_ANYTHING" in found[1]
    assert found[2].startswith("opendeep.toml: COLOUR")


def test_secrets_do_not_print() -> None:
    assert "canary" not in repr(Settings.model_validate({"simulate": True, "openai_api_key": "canary"}))


def test_allowed_hosts_are_names_without_port() -> None:
    settings = Settings.model_validate({"web_host": "0.0.0.0", "web_allowed_hosts": " Desk.Example.com ,x"})
    assert settings.allowed_hosts == {"127.0.0.1", "localhost", "[::1]", "desk.example.com", "x"}


def test_every_setting_has_a_meaning_and_every_group_its_first_setting() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert GROUPS.keys() <= Settings.model_fields.keys()


def test_env_example_is_what_the_settings_say() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = {line[1:].split("=")[0] for line in text.splitlines() if line.startswith("#") and "=" in line}
    assert set(KEYS) <= listed, f"missing: {set(KEYS) - listed}"
    assert text == env_example(), "write .env.example anew from app.config.env_example()"


def test_env_example_with_every_key_switched_on_is_valid(tmp_path: Path) -> None:
    lines = [
        line[1:] if line.startswith("#") and line[1].isupper() else line for line in env_example().splitlines()
    ]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert load_settings(tmp_path, {"simulate": True}).ring_timeout_s == 40
    assert setting_warnings(tmp_path) == []


def test_a_database_address_is_checked_and_never_repeated(tmp_path: Path) -> None:
    for bad in ("mysql://u:canary@h/d", "postgresql:///canary", "postgresql://u:canary@h:0/d"):
        (said,) = problems(tmp_path, simulate=True, database_url=bad)
        assert said.startswith("DATABASE_URL")
        assert "canary" not in said
    settings = load_settings(tmp_path, {"simulate": True, "database_url": "postgresql://u:canary@h/d"})
    assert "canary" not in repr(settings)
    assert settings.database_schema == "opendeep_simulated"  # never beside real tasks
    said = problems(tmp_path, simulate=True, peer_ari_logins="two=u:canary three")[0]
    assert said.startswith("PEER_ARI_LOGINS")
    assert "canary" not in said
    assert problems(tmp_path, simulate=True, ari_peer_url="http://10.0.0.7:8088/")[0].startswith("ARI_PEER_URL")
