"""Templates with autoescape, and what every page shows: ribbons, who is signed in, where else to go."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.config import Settings
from app.domain.people import Permission, Person
from web.view import clock_face, moment

TEMPLATES = Path(__file__).parent / "templates"
PLACES: tuple[tuple[str, str, Permission], ...] = (
    ("/", "Calls", Permission.SEE),
    ("/questions", "Questions", Permission.STEER),
    ("/people", "People", Permission.PEOPLE),
    ("/audit", "Audit", Permission.AUDIT),
)
"""Address, name and what it needs, in the order of the navigation."""


class Templates:
    """One per application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["clock_face"] = clock_face
        self._environment.filters["moment"] = moment

    def render(self, name: str, person: Person | None = None, here: str = "", **values: object) -> str:
        """The page as text; without a person it has no navigation."""
        places = [(path, word) for path, word, need in PLACES if person is not None and person.may(need)]
        return self._environment.get_template(name).render(
            **values,
            person=person,
            places=places,
            here=here,
            test_mode=self._settings.app_test_mode,
            redirect_number=self._settings.app_test_mode_redirect_number,
            simulate=self._settings.simulate,
        )
