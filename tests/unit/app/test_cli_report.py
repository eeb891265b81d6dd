"""`opendeep report` and `opendeep results`: what a person and a program read, with and without a stored report."""

import asyncio
import csv
import io
import json
from pathlib import Path
from random import Random

import pytest

from app.bus import MemoryBus
from app.clock import ManualClock
from app.config import Settings
from app.domain.call import NewCall
from app.domain.fields import Collected, Evidence
from app.llm.summarizer import Summarizer
from app.store import campaign_reports, collected
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import START, settings
from tests.unit.app.campaign_world import MadeCampaign, make_campaign
from tests.unit.app.store_world import NOW, TENANT, add_agent
from tests.unit.app.test_cli import Done, run


def make(folder: Path, *, written: bool) -> MadeCampaign:
    """A store in `folder` with a campaign, and a report of it when `written`."""

    async def fill() -> MadeCampaign:
        file = Settings.model_validate({"simulate": True, "data_dir": folder}).database_path
        async with SqliteDatabase(fresh_sqlite(file)) as db:
            await add_agent(db)
            made = await make_campaign(db, Random(4), 8)
            one = Collected(
                name="day",
                value='"=Friday"',
                evidence=Evidence(item_id="i", quote="q", start_audio_ms=0, end_audio_ms=1),
            )
            call = made.calls[0]
            new = NewCall(id=call.id, task_id=call.task_id, node="x", number_dialed="+12025550100")
            await collected.save(db, TENANT, new, one, NOW)
            if written:
                await campaign_reports.ask(db, TENANT, made.id, "interim", by="x", now_ms=NOW)
                clock = ManualClock(START)
                assert await Summarizer(settings(), clock, db, MemoryBus(), model=None).look() == 1
            return made

    return asyncio.run(fill())


def ask(folder: Path, *arguments: str) -> Done:
    return run(folder, *arguments, "--simulate", DATA_DIR=str(folder))


@pytest.mark.parametrize("written", [False, True])
def test_a_report_is_printed_and_saved(tmp_path: Path, written: bool) -> None:
    made = make(tmp_path, written=written)
    file = tmp_path / "report.csv"
    done = ask(tmp_path, "report", made.id, "--json", "--csv", str(file))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["ok"], told["campaign_id"], told["written_by"]) == (True, made.id, "code" if written else "")
    assert {one["name"]: one["value"] for one in told["numbers"]}["tasks"] == 8
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8").removeprefix("\ufeff"))))
    assert {row["name"]: row["value"] for row in rows}["tasks"] == "8"
    plain = ask(tmp_path, "report", made.id)
    assert "tasks reached their goal" in plain.stdout


def test_an_unknown_campaign_is_told_with_those_there_are(tmp_path: Path) -> None:
    made = make(tmp_path, written=False)
    for wrong in ("x", "0" * 32):
        done = ask(tmp_path, "report", wrong)
        assert done.returncode == 2
        assert made.id in done.stderr


def test_results_are_listed_and_saved(tmp_path: Path) -> None:
    made = make(tmp_path, written=False)
    file = tmp_path / "results.csv"
    done = ask(tmp_path, "results", "--campaign", made.id, "--json", "--csv", str(file))
    told = json.loads(done.stdout.splitlines()[-1])
    assert [row["fields"]["day"]["value"] for row in told["results"]] == ['"=Friday"']
    (row,) = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8").removeprefix("\ufeff")))
    assert row["day"] == "'=Friday"
    assert "day: =Friday" in ask(tmp_path, "results").stdout
    assert ask(tmp_path, "results", "--campaign", "0" * 32).stdout == "Nothing was found out yet.\n"
