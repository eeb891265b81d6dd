"""`opendeep doctor`: each check against something that is right and something that is wrong."""

import socket
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import load_settings
from app.doctor.calling_rules import calling_rules, stale_registries
from app.doctor.checks import asterisk, model, text_models
from app.sim.asterisk import ExchangeSettings, SimAsterisk
from app.sim.realtime.options import SimOptions
from app.sim.realtime.server import SimRealtime
from app.sim.text import SimText
from app.store.registries import Imported

pytestmark = pytest.mark.anyio


def settings(folder: Path, **changes: object):
    real = {"ari_password": "x" * 32, "openai_api_key": "k", "data_dir": folder}
    return load_settings(folder, {**real, **changes})


def test_calling_rules_that_are_old_or_ask_for_more_are_named(tmp_path: Path) -> None:
    plain = settings(tmp_path)
    ok, *warnings = calling_rules(plain, date(2026, 11, 26))
    assert (ok.severity, "us-strict" in ok.message) == ("ok", True)
    text = " ".join(one.message for one in warnings)
    assert "ALLOWED_COUNTRIES is empty" in text
    assert "COMPANY_NAME is empty" in text
    assert "CALLER_ID and CALLER_ID_OWNED and CALLER_ID_REACHABLE" in text
    ready = settings(
        tmp_path,
        allowed_countries="US",
        caller_id="+12025550100",
        caller_id_owned=True,
        caller_id_reachable=True,
        company_name="Acme",
    )
    assert len(calling_rules(ready, date(2026, 11, 26))) == 1
    old = calling_rules(ready, date(2027, 12, 1))
    assert [one.severity for one in old] == ["ok", *["warn"] * 5]
    assert "last reviewed on 2026-11-21" in old[1].message


def test_registries_that_are_missing_or_old_are_named(tmp_path: Path) -> None:
    day = 86_400_000
    found = stale_registries(
        settings(tmp_path),
        [
            Imported(name="us-national-dnc", imported_ms=0, numbers=1),
            Imported(name="uk-tps", imported_ms=70 * day, numbers=1),
        ],
        80 * day,
    )
    assert [one.message.split()[0] for one in found] == ["uk-ctps", "us-national-dnc"]
    assert "80 days ago; packs allow 31" in found[1].message
    assert found[0].message.endswith(": opendeep registry import uk-ctps FILE")


async def test_asterisk_says_its_version(tmp_path: Path) -> None:
    async with SimAsterisk() as sim:
        right = settings(tmp_path, ari_url=sim.base_url, ari_username=sim.username, ari_password=sim.password)
        check = await asterisk(right)
        assert (check.severity, check.message) == ("ok", "22.10.1")
        wrong = right.model_copy(update={"ari_password": SecretStr("wrong")})
        refused = await asterisk(wrong)
        assert refused.severity == "fail"
        assert "ARI_URL, user and password" in refused.message
        assert "wrong" not in refused.message.replace("answer as expected", "")


async def test_an_asterisk_without_fixes_is_named(tmp_path: Path) -> None:
    async with SimAsterisk(settings=ExchangeSettings(version="20.5.0")) as sim:
        old = settings(tmp_path, ari_url=sim.base_url, ari_username=sim.username, ari_password=sim.password)
        assert (await asterisk(old)).severity == "warn"


async def test_model_opens_or_says_why_not(tmp_path: Path) -> None:
    async with SimRealtime(options=SimOptions(api_key="k")) as sim:
        right = settings(tmp_path, realtime_url=sim.url)
        assert (await model(right)).severity == "ok"
        refused = await model(right.model_copy(update={"openai_api_key": SecretStr("sk-other")}))
        assert refused.severity == "fail"
        assert "401" in refused.message or "Incorrect API key" in refused.message
        assert "sk-other" not in refused.message
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = settings(tmp_path, realtime_url=f"ws://127.0.0.1:{nobody.getsockname()[1]}/v1/realtime")
        assert (await model(closed)).severity == "fail"


@pytest.mark.parametrize(
    ("changes", "severity", "word"),
    [
        ({}, "ok", "gpt-6.1-terra, gpt-6-luna at"),
        ({"text_api_key": "wrong"}, "fail", "refused the key"),
        ({"analysis_model": "llama"}, "warn", "ANALYSIS_MODEL llama"),
        ({"analysis_model": "llama", "analysis": "rules"}, "ok", "gpt-6.1-terra at"),
        ({"text_base_url": "http://127.0.0.1:9/v1"}, "fail", "does not answer"),
    ],
)
async def test_text_models_are_asked_for(
    tmp_path: Path, changes: dict[str, str], severity: str, word: str
) -> None:
    async with SimText(api_key="right") as sim:
        values = {"text_base_url": sim.base_url, "text_api_key": "right", **changes}
        check = await text_models(settings(tmp_path, **values))
    assert check.severity == severity, check.message
    assert word in check.message
    assert "right" not in check.message
