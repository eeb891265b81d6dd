"""A console to look at: the whole product over simulators in a process of its own, with calls behind it.

`python -m tests.browser.stage FOLDER PORT [--hostile]` prints the sign-in link when the calls are over, then
serves until SIGTERM.
"""

import argparse
import asyncio
from pathlib import Path

from app.cli.console import serve_console, stop_on_signals
from app.cli.demo import create_campaign
from app.cli.house import House, open_house
from app.cli.user import add, link_text
from app.config import load_settings
from app.domain.people import Role
from app.domain.tenant import DEFAULT_TENANT_ID
from app.people.door import Door
from app.store import campaigns
from tests.browser.hostile import plant

CALLS = 15


async def serve(folder: Path, port: int, *, hostile: bool) -> None:
    """Calls first, then the console."""
    quick = {"ring_timeout_s": 5, "no_input_s": 2.0, "no_input_prompts": 1, "max_concurrent_calls": 8}
    where = {"data_dir": folder, "web_port": port, "redis_url": "", "database_url": "", "app_test_mode": False}
    settings = load_settings(overrides={"simulate": True, "calls_per_second": 20.0, **quick, **where})
    with stop_on_signals() as stop:
        async with open_house(settings) as house:
            await _calls(house)
            if hostile:
                print(f"planted in {await plant(house.db)} columns")
            owner = await add(house.db, "owner@demo.example", "Olga Owner", Role.OWNER)
            link = await link_text(house.settings, Door(house.db, house.clock), owner)
            print(next(word for word in link.split() if word.startswith("http")), flush=True)
            await serve_console(house, stop)


async def _calls(house: House) -> None:
    campaign_id = await create_campaign(house, CALLS)
    with house.bus.subscribe("tasks") as messages:
        while set(await campaigns.counts(house.db, DEFAULT_TENANT_ID, campaign_id)) & {
            "pending",
            "in_call",
            "analyzing",
        }:
            await anext(messages)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--hostile", action="store_true")
    given = parser.parse_args()
    asyncio.run(serve(given.folder, given.port, hostile=given.hostile))
