"""What msgspec found wrong with a parsed file, as a key and a sentence that people can act on. Pure."""

import re

import msgspec

_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`")


def key_and_problem(error: msgspec.ValidationError) -> tuple[str, str]:
    """Where it is, like rules.hours.mon (empty: the whole file), and what is wrong there."""
    problem, _, path = str(error).partition(" - at `$")
    place = [path.strip("`.")] if path.strip("`.") else []
    if field := _FIELD.fullmatch(problem):
        problem = "Missing" if field[1] == "missing required" else "No such key here"
        place.append(field[2])
    return ".".join(place), problem.rstrip(".") + "."
