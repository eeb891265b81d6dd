"""`opendeep doctor`: each check against something that is right and something that is wrong."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import load_settings
from app.doctor.checks import asterisk, model, text_models
from app.sim.asterisk import ExchangeSettings, SimAsterisk
from app.sim.realtime.options import SimOptions
from app.sim.realtime.server import SimRealtime
from app.sim.text import SimText

pytestmark = pytest.mark.anyio


def settings(folder: Path, **changes: object):
    real = {"ari_password": "x" * 32, "openai_api_key": "k", "data_dir": folder}
    return load_settings(folder, {**real, **changes})


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
