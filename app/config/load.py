"""Reads the settings once at start: overrides, environment, `.env`, `opendeep.toml`, in that order of weight.

All bad keys and contradictions are named at once, in sentences, and no secret is repeated in them.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import phonenumbers
from pydantic import SecretStr, ValidationError
from pydantic_settings import DotEnvSettingsSource

from app.config.settings import GROUPS, KEYS, TEXT_QUIRKS, Settings
from app.domain.command import MIN_KEY_LENGTH
from app.domain.number import NumberRefused, parse_number
from app.domain.outside_tool import ENVIRONMENT_PREFIX
from app.errors import ConfigError
from app.policy_packs import PACKS_DIR, enabled_packs, load_packs


def load_settings(directory: Path = Path(), overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings from `overrides`, the environment, `directory`/.env and `directory`/opendeep.toml.

    Raises ConfigError with one sentence for every bad key and every contradiction.
    """
    toml = _read_toml(directory / "opendeep.toml")
    dotenv = _read_dotenv(directory / ".env")
    weightier = {name.lower() for name, value in {**dotenv, **os.environ}.items() if value}
    values = {name: value for name, value in toml.items() if name not in weightier} | dict(overrides or {})
    try:
        settings = _build(directory, values)
        bad: dict[str, str] = {}
    except ValidationError as error:
        bad = dict(_field_problems(error))
        defaults = {name: Settings.model_fields[name].default for name in bad}
        settings = _build(directory, {**values, **defaults})
    problems = [*bad.values(), *(text for names, text in _contradictions(settings) if not names & bad.keys())]
    if problems:
        raise ConfigError(problems)
    return settings


def setting_warnings(directory: Path = Path()) -> list[str]:
    """Sentences about keys of `.env` and `opendeep.toml` that are no setting and are probably misspelt."""
    warnings: list[str] = []
    for file, ours_only in ((".env", False), ("opendeep.toml", True)):
        read = _read_toml if ours_only else _read_dotenv
        for key in (name.upper() for name in read(directory / file)):
            near = difflib.get_close_matches(key.removeprefix("OPENDEEP_"), KEYS, n=1, cutoff=0.75)
            if (
                key not in KEYS
                and not key.startswith(ENVIRONMENT_PREFIX)
                and (ours_only or near or key.startswith("OPENDEEP"))
            ):
                hint = f"; did you mean {near[0]}?" if near else "."
                warnings.append(f"{file}: {key} is not a setting and has no effect{hint}")
    return warnings


def tool_environment(directory: Path = Path()) -> dict[str, str]:
    """Secrets that agents' own functions may send: variables that begin with OPENDEEP_TOOL_, from `directory`/.env
    and, more weighty, the environment.
    """
    found = {**_read_dotenv(directory / ".env"), **os.environ}
    return {
        name.upper(): one for name, one in found.items() if one and name.upper().startswith(ENVIRONMENT_PREFIX)
    }


def env_example() -> str:
    """Text of `.env.example`: every key with its meaning and default."""
    lines = ["# OpenDeep settings. Copy to .env and remove the # of what you change. Units are in the names.", ""]
    for name in _by_group():
        field = Settings.model_fields[name]
        if name in GROUPS:
            lines += ["", f"# --- {GROUPS[name]} ---"]
        default = cast("object", field.default)
        shown = default.get_secret_value() if isinstance(default, SecretStr) else default
        value = "" if shown is None else shown
        lines += [f"# {' '.join((field.description or '').split())}", f"#{name.upper()}={value}"]
    return "\n".join(lines) + "\n"


def _by_group() -> Iterator[str]:
    """Every field, the groups in the order of `GROUPS` and not in that of the classes they lie in."""
    members: dict[str, list[str]] = {}
    group = ""
    for name in Settings.model_fields:
        group = name if name in GROUPS else group
        members.setdefault(group, []).append(name)
    for first in GROUPS:
        yield from members[first]


_SCHEMES = {
    "ari_url": "http https",
    "ari_peer_url": "http https",
    "realtime_url": "ws wss",
    "redis_url": "redis rediss",
    "s3_endpoint": "http https",
    "text_base_url": "http https",
    "searxng_url": "http https",
    "google_places_url": "http https",
    "nominatim_url": "http https",
    "overpass_url": "http https",
}


def _build(directory: Path, values: Mapping[str, object]) -> Settings:
    source = cast("Callable[..., Settings]", Settings)
    return source(_env_file=directory / ".env", **values)


def _read_toml(path: Path) -> dict[str, object]:
    """Keys of the file in lower case; tables are headings and fall away."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError([f"{path.name} cannot be read: {error}."]) from None
    flat: dict[str, object] = {}
    for key, value in content.items():
        inner = cast("dict[str, object]", value) if isinstance(value, dict) else {key: value}
        flat |= {name.lower(): item for name, item in inner.items()}
    return flat


def _read_dotenv(path: Path) -> dict[str, str | None]:
    try:
        return dict(DotEnvSettingsSource(Settings, env_file=path).env_vars)
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigError([f"{path.name} cannot be read: {error}."]) from None


def _field_problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0])
        field = Settings.model_fields[name]
        given = "[hidden]" if isinstance(field.default, SecretStr) else repr(problem["input"])
        is_pattern = problem["type"] == "string_pattern_mismatch"
        what = "has a form that is not allowed" if is_pattern else problem["msg"].replace("Input should", "should")
        yield name, f"{name.upper()} is {given}, but {what}. ({field.description})"


def _contradictions(s: Settings) -> Iterator[tuple[frozenset[str], str]]:
    """Settings that are fine alone and not together, with the fields each sentence is about."""
    redirect = s.app_test_mode_redirect_number
    if s.app_test_mode and not redirect:
        text = "APP_TEST_MODE is on and APP_TEST_MODE_REDIRECT_NUMBER is empty: say which phone all calls go to."
        yield frozenset({"app_test_mode", "app_test_mode_redirect_number"}), text
    if redirect and (refusal := _number_refusal(redirect, fictional=s.simulate)):
        yield frozenset({"app_test_mode_redirect_number"}), f"APP_TEST_MODE_REDIRECT_NUMBER: {refusal}"
    if re.fullmatch(r"[A-Za-z0-9_]+/[^{}]*\{number\}[^{}]*", s.trunk_endpoint) is None:
        text = "TRUNK_ENDPOINT must be technology/address with {number} exactly once, like PJSIP/{number}@trunk."
        yield frozenset({"trunk_endpoint"}), text
    if not s.ari_url.rstrip("/").endswith("/ari"):
        yield frozenset({"ari_url"}), "ARI_URL must end in /ari, like http://127.0.0.1:8088/ari."
    if s.leg_codec == "g722" and s.realtime_audio == "g711":
        text = "LEG_CODEC is g722 and REALTIME_AUDIO g711: a G.722 leg cannot pass G.711 on; use auto or pcm."
        yield frozenset({"leg_codec", "realtime_audio"}), text
    if s.ari_events == "asterisk_dials" and not s.simulate and not s.ari_listen_password.get_secret_value():
        text = "ARI_LISTEN_PASSWORD is empty and ARI_EVENTS is asterisk_dials: anybody could invent events."
        yield frozenset({"ari_events", "ari_listen_password", "simulate"}), text
    for name, schemes in _SCHEMES.items():
        url = cast("str", getattr(s, name))
        if url and not _is_url(url, schemes.split()):
            text = f"{name.upper()} must be an address that starts with {' or '.join(schemes.split())}://."
            yield frozenset({name}), text
    if any(not _is_url(f"http://{place.strip()}", ["http"]) for place in s.outside_tool_hosts.split(",") if place):
        text = "OUTSIDE_TOOL_HOSTS must be host or host:port, separated by commas, like crm.office:8080,10.0.0.5."
        yield frozenset({"outside_tool_hosts"}), text
    yield from _shared_database(s)
    yield from _rule_problems(s)
    if unknown := [name for name in s.quirks if name not in TEXT_QUIRKS]:
        text = f"TEXT_QUIRKS has {unknown[0]!r}; there are {', '.join(TEXT_QUIRKS)}."
        yield frozenset({"text_quirks"}), text
    if s.quirks and s.text_api == "responses":
        yield frozenset({"text_quirks", "text_api"}), "TEXT_QUIRKS are for TEXT_API=chat; TEXT_API is responses."
    yield from _lookup_problems(s)
    yield from _missing_secrets(s)


def _lookup_problems(s: Settings) -> Iterator[tuple[frozenset[str], str]]:
    if s.search_provider == "searxng" and not s.searxng_url:
        yield frozenset({"search_provider", "searxng_url"}), "SEARCH_PROVIDER is searxng and SEARXNG_URL is empty."
    if s.places_provider == "google" and not s.google_places_api_key.get_secret_value():
        text = "PLACES_PROVIDER is google and GOOGLE_PLACES_API_KEY is empty."
        yield frozenset({"places_provider", "google_places_api_key"}), text


def _shared_database(s: Settings) -> Iterator[tuple[frozenset[str], str]]:
    """The sentences never repeat the address: it holds a password."""
    url = s.database_url.get_secret_value()
    if url and not _is_url(url, ["postgresql", "postgres"]):
        text = "DATABASE_URL must look like postgresql://user:password@host:5432/database; blanks and signs in the"
        yield frozenset({"database_url"}), f"{text} password are written as %20 and so on."
    if s.ari_peer_url and not s.ari_peer_url.rstrip("/").endswith("/ari"):
        yield frozenset({"ari_peer_url"}), "ARI_PEER_URL must end in /ari, like http://10.0.0.7:8088/ari."
    for entry in s.peer_ari_logins.get_secret_value().split():
        if re.fullmatch(r"[^=\s]+=[^:\s]+:\S+", entry) is None:
            yield (
                frozenset({"peer_ari_logins"}),
                "PEER_ARI_LOGINS must be node=user:password, separated by blanks.",
            )
            return


def _rule_problems(s: Settings) -> Iterator[tuple[frozenset[str], str]]:
    """Countries that do not exist, packs that cannot be read: found at the start and not at the first call."""
    known = phonenumbers.SUPPORTED_REGIONS
    for country in s.countries:
        if country not in known:
            text = f"ALLOWED_COUNTRIES: {country!r} is not an ISO country such as US, GB or DE."
            yield frozenset({"allowed_countries"}), text
    packs = frozenset({"policy_packs", "policy_packs_dir"})
    if not s.pack_ids:
        yield packs, "POLICY_PACKS is empty: without calling rules nobody is called. The default is a good start."
    try:
        enabled_packs(load_packs(Path(s.policy_packs_dir) if s.policy_packs_dir else PACKS_DIR), s.pack_ids)
    except ConfigError as error:
        for problem in error.problems:
            yield packs, f"POLICY_PACKS: {problem}"


def _missing_secrets(s: Settings) -> Iterator[tuple[frozenset[str], str]]:
    if s.redis_url and len(s.command_key.get_secret_value()) < MIN_KEY_LENGTH:
        why = "whoever reaches Redis could wake calls at will"
        text = f"COMMAND_KEY has fewer than {MIN_KEY_LENGTH} characters: {why}."
        yield frozenset({"command_key", "redis_url"}), text
    if 0 < len(s.erasure_key.get_secret_value()) < MIN_KEY_LENGTH:
        text = f"ERASURE_KEY has fewer than {MIN_KEY_LENGTH} characters: its numbers could be guessed."
        yield frozenset({"erasure_key"}), text
    if not s.simulate:
        for name in ("ari_password", "openai_api_key"):
            if not cast("SecretStr", getattr(s, name)).get_secret_value():
                yield (
                    frozenset({name, "simulate"}),
                    f"{name.upper()} is empty. Set it, or SIMULATE=True to try it out.",
                )


def _number_refusal(number: str, *, fictional: bool) -> str:
    try:
        return "" if parse_number(number, fictional=fictional) == number else "write it in E.164 without blanks."
    except NumberRefused as refused:
        return refused.message


def _is_url(url: str, schemes: list[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
