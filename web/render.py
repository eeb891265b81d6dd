"""Templates with autoescape, and what every page shows: ribbons, who is signed in, where else to go."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.config import Settings
from app.domain.people import Permission, Person
from web.lights import dark
from web.view import clock_face, moment

TEMPLATES = Path(__file__).parent / "templates"
GROUPS = ("Live", "Plan", "Reach", "Set up", "House")
"""Headings of the navigation, in order: what goes on, what is planned, who is called, how, and who may."""
PLACES: tuple[tuple[str, str, Permission, str], ...] = (
    ("/", "Wallboard", Permission.SEE, "Live"),
    ("/calls", "Calls", Permission.SEE, "Live"),
    ("/questions", "Questions", Permission.STEER, "Live"),
    ("/chat", "Chat", Permission.PLAN, "Plan"),
    ("/campaigns", "Campaigns", Permission.SEE, "Plan"),
    ("/results", "Results", Permission.SEE, "Plan"),
    ("/tasks", "Tasks", Permission.SEE, "Plan"),
    ("/decisions", "Decisions", Permission.SEE, "Plan"),
    ("/calendar", "Calendar", Permission.SEE, "Plan"),
    ("/contacts", "Contacts", Permission.SEE, "Reach"),
    ("/do-not-call", "Do not call", Permission.SEE, "Reach"),
    ("/webhooks", "Webhooks", Permission.RULE, "Set up"),
    ("/agents", "Agents", Permission.SEE, "Set up"),
    ("/people", "People", Permission.PEOPLE, "House"),
    ("/audit", "Audit", Permission.AUDIT, "House"),
    ("/data", "Data", Permission.AUDIT, "House"),
    ("/doctor", "Doctor", Permission.AUDIT, "House"),
    ("/api/v1/docs", "API", Permission.SEE, "House"),
)
"""Address, name, what it needs, and one of GROUPS; in the order of the navigation within their group.

The navigation, the command palette and the benchmark of first paints are made from these.
"""


def places_of(person: Person | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Where a person may go: each group that has something, with addresses and names."""
    if person is None:
        return []
    found = [
        (group, [(path, word) for path, word, need, of in PLACES if of == group and person.may(need)])
        for group in GROUPS
    ]
    return [(group, entries) for group, entries in found if entries]


@cache
def _environment() -> Environment:
    """One per process: nothing in it depends on settings, and it keeps the templates that it has compiled."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock_face"] = clock_face
    environment.filters["moment"] = moment
    return environment


class Templates:
    """One per application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def render(self, name: str, person: Person | None = None, here: str = "", **values: object) -> str:
        """The page as text; without a person it has no navigation. `here` is the place it belongs to."""
        return (
            _environment()
            .get_template(name)
            .render(
                **values,
                person=person,
                places=places_of(person),
                here=here,
                lights=dark(),
                test_mode=self._settings.app_test_mode,
                redirect_number=self._settings.app_test_mode_redirect_number,
                simulate=self._settings.simulate,
            )
        )
