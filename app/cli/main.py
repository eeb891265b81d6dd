"""The `opendeep` command. Each verb is a file beside this one, imported when it is run."""

import sys
import zoneinfo
from typing import get_args

import click

from app.cli.verbs import Verb, VerbGroup
from app.errors import AppError
from app.logs import Level, set_up_logs
from media.errors import MediaError

VERBS = (
    Verb("agent", "app.cli.agent:agent_command", "Agents: who speaks on calls, what they know and may do."),
    Verb("answer", "app.cli.answer:answer_command", "Answer the question QUESTION_ID of an agent with TEXT."),
    Verb("audit", "app.cli.audit:audit_command", "Who did what, when, from where."),
    Verb(
        "backup",
        "app.cli.backup:backup_command",
        "Copy database, recordings and documents to the new FOLDER while the engine runs, and check the copy.",
    ),
    Verb("call", "app.cli.call:call_command", "Call NUMBER now and follow the call: state, words, outcome."),
    Verb("command", "app.cli.command:command_command", "Order KIND of the living call CALL_ID."),
    Verb("consent", "app.cli.consent:consent_command", "What callees agreed to."),
    Verb(
        "decisions",
        "app.cli.decisions:decisions_command",
        "List what the lifecycle agent decided about tasks, newest first, or undo one decision.",
    ),
    Verb(
        "demo",
        "app.cli.demo:demo_command",
        "Simulated calls: exchange, callees and speech model are simulated, nothing real is dialed.",
    ),
    Verb(
        "doctor",
        "app.cli.doctor:doctor_command",
        "Check settings, database, Asterisk and its configuration; say what to do.",
    ),
    Verb(
        "drain",
        "app.cli.drain:drain_command",
        "Stop the engine that runs on this data directory without dropping a call.",
    ),
    Verb(
        "erase",
        "app.cli.erase:erase_command",
        "Forget the person with this NUMBER: contact, tasks, talks, recordings, answers, texts that name them.",
    ),
    Verb(
        "import",
        "app.cli.import:import_command",
        "Read FILE (CSV or XLSX), say what is wrong with which row, and bring the others in.",
    ),
    Verb(
        "init",
        "app.cli.init:init_command",
        "Write .env into this folder, render Asterisk's configuration, add the first owner.",
    ),
    Verb(
        "migrate",
        "app.cli.migrate:migrate_command",
        "Make or update the tables of DATABASE_URL (empty: SQLite in DATA_DIR). Running it twice changes nothing.",
    ),
    Verb(
        "policy",
        "app.cli.policy:policy_command",
        "Calling rules: which packs there are, and what they say about a number.",
    ),
    Verb(
        "questions",
        "app.cli.questions:questions_command",
        "List what agents ask: callees who wait on the line first, then tasks that wait for an answer to go on.",
    ),
    Verb(
        "registry",
        "app.cli.registry:registry_command",
        "Public do-not-call registries that calling rules ask: bring a list in, see how old the lists are.",
    ),
    Verb(
        "report",
        "app.cli.report:report_command",
        "Print the report of the campaign CAMPAIGN_ID: numbers and words.",
    ),
    Verb("results", "app.cli.results:results_command", "List what calls found out, by agent and recipient."),
    Verb(
        "restore",
        "app.cli.backup:restore_command",
        "Put the copy FOLDER into an empty DATA_DIR. Nobody is dialed until `opendeep resume`.",
    ),
    Verb(
        "resume",
        "app.cli.resume:resume_command",
        "Dial again after a hold: the speech model had refused the account, or a backup was restored.",
    ),
    Verb("sim", "app.cli.sim:sim_command", "Try parts of OpenDeep on labelled data; nothing real is dialed."),
    Verb("tools", "app.cli.tools:tools_command", "Functions of other people's systems that agents may call."),
    Verb(
        "up",
        "app.cli.up:up_command",
        "Run OpenDeep: scheduler, calls and the console on http://WEB_HOST:WEB_PORT.",
    ),
    Verb("user", "app.cli.user:user_command", "People who may sign in to the console, and keys of programs."),
    Verb(
        "why",
        "app.cli.why:why_command",
        "Say in one sentence why the task TASK_ID is, or is not, being called now, and when it is looked at next.",
    ),
)
"""Each with the first paragraph of its own help."""


@click.group(
    cls=VerbGroup,
    commands=VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="opendeep")
@click.option("--log-level", type=click.Choice(get_args(Level)), default="warning", show_default=True)
def opendeep(log_level: Level) -> None:
    """AI outbound calling for people who own their phone lines.

    Try `opendeep demo`: simulated calls, no key and no telephone line needed.
    """
    set_up_logs(log_level, as_json=False)


def main() -> None:
    """Entry point: errors of ours become sentences, not stack traces. Exit status 2 for what cannot be done."""
    zoneinfo.reset_tzpath(to=())  # zones come from the pinned tzdata package, not from the machine
    try:
        opendeep(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (AppError, MediaError, BaseExceptionGroup) as error:
        for sentence in _sentences(error):
            click.echo(f"opendeep: {sentence}", err=True)
        sys.exit(2)


def _sentences(error: BaseException) -> list[str]:
    """What to tell a person; a fault of ours inside a group is raised again."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if inner:
        return [line for each in inner for line in _sentences(each)]
    if not isinstance(error, AppError | MediaError):
        raise error
    return [str(error)]
