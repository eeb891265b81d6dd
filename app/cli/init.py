"""`opendeep init`: the first settings of an installation, asked for or given, with secrets made here."""

import asyncio
import secrets
from pathlib import Path

import click

from app.cli.store import open_store
from app.cli.user import add, link_text
from app.clock import SystemClock
from app.config import load_settings
from app.config.first import render_asterisk, write_env
from app.domain.number import parse_number
from app.domain.people import Role, read_email
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ConflictError
from app.people.door import Door

BUNDLED = Path(__file__).parents[2] / "asterisk"
PATH = click.Path(file_okay=False, path_type=Path)
SECRET_BYTES = 32
DAYS = {
    "RETENTION_RECORDINGS_DAYS": "90",
    "RETENTION_TALKS_DAYS": "365",
    "RETENTION_CHATS_DAYS": "365",
    "RETENTION_WEBHOOKS_DAYS": "30",
}
"""How long a new installation keeps words; one that was there before keeps them until its owner sets days."""


@click.command(name="init")
@click.option("--test-number", default="", help="Your own phone, like +12025550123: all calls go there at first.")
@click.option("--country", default="", help="Where you call, ISO codes by commas: US,CA.")
@click.option("--company", default="", help="For whom is called, as the agent says it.")
@click.option("--caller-id", default="", help="Your number that callees see, like +12025550100.")
@click.option("--openai-key", envvar="OPENAI_API_KEY", default="", help="Asked for without showing it.")
@click.option("--owner", default="", help="E-mail address of the first person who may sign in.")
@click.option(
    "--asterisk", "asterisk_folder", type=PATH, help="New folder for Asterisk's files, password included."
)
@click.option(
    "--simulate", is_flag=True, help="Only simulated calls: no key, no Asterisk, no phone are asked for."
)
@click.option("--no-input", is_flag=True, help="Ask nothing; what is missing is an error.")
def init_command(**given: object) -> None:
    """Write .env into this folder, render Asterisk's configuration, add the first owner.

    \b
    opendeep init                              asks what it needs
    opendeep init --simulate --no-input        something to look at, nothing real
    opendeep init --no-input --test-number +12025550123 --country US --company "Smith Dental" \\
        --caller-id +12025550100 --owner anna@example.org --asterisk /etc/asterisk/opendeep

    It begins in test mode: whoever a task names, your own phone rings. An .env that is there is left alone.
    """
    if Path(".env").exists():
        raise ConflictError(".env exists; nothing is written over it. Change it by hand, or move it away first.")
    answers = {name: value for name, value in given.items() if name not in {"simulate", "no_input"}}
    if not given["simulate"]:
        _ask(answers, asking=not given["no_input"])
        _check_folder(answers["asterisk_folder"])
    password = secrets.token_urlsafe(SECRET_BYTES)
    path = write_env(Path(), _values(answers, password, simulate=bool(given["simulate"])))
    click.echo(f"{path}: written, readable by you alone")
    folder = answers["asterisk_folder"]
    if isinstance(folder, Path) and not given["simulate"]:
        _render(folder, password)
    if owner := str(answers["owner"]):
        asyncio.run(_add_owner(owner))
    _say_next(simulate=bool(given["simulate"]), owner=owner)


def _ask(answers: dict[str, object], *, asking: bool) -> None:
    questions = {
        "test_number": "Your own phone (all calls go there until you switch test mode off)",
        "country": "Where you call (ISO codes by commas, like US,CA)",
        "company": "For whom is called, as the agent says it",
        "caller_id": "Your number that callees see",
        "openai_key": "OpenAI API key (not shown)",
    }
    for name, question in questions.items():
        if answers[name] or not asking:
            continue
        answers[name] = click.prompt(question, hide_input=name == "openai_key", default="", show_default=False)
    if asking and not answers["owner"]:
        answers["owner"] = click.prompt("E-mail address of the first owner (empty: later)", default="")
    missing = [
        f"--{name.replace('_', '-')}" for name in ("test_number", "country", "openai_key") if not answers[name]
    ]
    if missing:
        text = f"Not given: {', '.join(missing)}. To look around without them: opendeep init --simulate"
        raise click.UsageError(text)
    for name in ("test_number", "caller_id"):
        if answers[name]:
            answers[name] = parse_number(str(answers[name]))
    if answers["owner"]:
        answers["owner"] = read_email(str(answers["owner"]))


def _values(answers: dict[str, object], password: str, *, simulate: bool) -> dict[str, str]:
    if simulate:
        return {"SIMULATE": "True", "ALLOWED_COUNTRIES": "US"}
    countries = str(answers["country"]).upper().replace(" ", "")
    values = {
        "APP_TEST_MODE": "True",
        "APP_TEST_MODE_REDIRECT_NUMBER": str(answers["test_number"]),
        "ALLOWED_COUNTRIES": countries,
        "DEFAULT_REGION": countries.split(",")[0],
        "COMPANY_NAME": str(answers["company"]),
        "CALLER_ID": str(answers["caller_id"]),
        "OPENAI_API_KEY": str(answers["openai_key"]),
        "ARI_PASSWORD": password,
        "COMMAND_KEY": secrets.token_urlsafe(SECRET_BYTES),
        **DAYS,
    }
    return {name: value for name, value in values.items() if value}


def _check_folder(folder: object) -> None:
    """Before anything is written, for an .env that is there ends the next try."""
    if not isinstance(folder, Path):
        return
    if not BUNDLED.is_dir():
        raise ConflictError("Asterisk's files come with the source, not with the installed package; see README.")
    if (folder / "ari.conf").exists():
        raise ConflictError(f"{folder / 'ari.conf'} exists; move it away first, its password would change.")


def _render(folder: Path, password: str) -> None:
    words = {"ARI_PASSWORD": password, "ARI_LISTEN_PASSWORD": secrets.token_urlsafe(SECRET_BYTES)}
    left = render_asterisk(BUNDLED, folder, words)
    click.echo(f"{folder}: Asterisk's files, with the password of .env in ari.conf")
    if left:
        click.echo(f"  your carrier's words are still to be put in: {', '.join(f'@{word}@' for word in left)}")


async def _add_owner(email: str) -> None:
    settings = load_settings()
    async with open_store(settings) as db:
        door = Door(db, SystemClock())
        user = await add(db, email, "", Role.OWNER, DEFAULT_TENANT_ID)
        click.echo(await link_text(settings, door, user))


def _say_next(*, simulate: bool, owner: str) -> None:
    steps = [] if simulate else ["opendeep doctor             what is missing, and what to do"]
    if not owner:
        steps.append("opendeep user add you@example.org --role owner" + (" --simulate" if simulate else ""))
    steps.append("opendeep up                 the engine and the console")
    click.echo("Next:\n  " + "\n  ".join(steps))
