"""The client and the events against the rest-api specification of the installed Asterisk.

Looks in $ARI_SPEC_DIR, in /usr/share/asterisk/rest-api and in the Asterisk that scripts/asterisk installs; nothing
of the specification is kept in this repository.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from stasis import applications, asterisk, bridges, channels, client, events
from stasis.requests import CreateExternalMedia, Originate
from stasis.rest import Operation
from stasis.stream import DISALLOWED_EVENTS

ROOT = Path(__file__).resolve().parents[3]
CANDIDATES = [
    Path(os.environ.get("ARI_SPEC_DIR", "/nonexistent")),
    Path("/usr/share/asterisk/rest-api"),
    ROOT / ".cache/asterisk/root/usr/share/asterisk/rest-api",
]
OPERATIONS: dict[str, Operation[Any]] = {
    f"{row.method} {row.path}": row
    for rows in (
        channels.OPERATIONS,
        bridges.OPERATIONS,
        applications.OPERATIONS,
        asterisk.OPERATIONS,
        (client.EVENTS,),
    )
    for row in rows
}
SIMPLE: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "long": (int,),
    "double": (float,),
    "boolean": (bool,),
    "Date": (datetime, str),
    "object": (dict,),
    "void": (NoneType,),
    "Message": (bytes,),
}


@pytest.fixture(scope="module")
def spec() -> dict[str, dict[str, Any]]:
    """Resource name -> its JSON: operations and models."""
    found = next((place for place in CANDIDATES if any(place.glob("**/channels.json"))), None)
    if found is None:
        pytest.skip(
            f"no Asterisk rest-api specification in {', '.join(map(str, CANDIDATES[1:]))}; set ARI_SPEC_DIR"
        )
    folder = next(found.glob("**/channels.json")).parent
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json") if path.stem != "resources"}


@pytest.fixture(scope="module")
def operations(spec: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        f"{operation['httpMethod']} {api['path']}": operation
        for resource in spec.values()
        for api in resource["apis"]
        for operation in api["operations"]
    }


@pytest.fixture(scope="module")
def models(spec: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: model for resource in spec.values() for name, model in resource.get("models", {}).items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_exists(name: str, operations: dict[str, dict[str, Any]]) -> None:
    row, documented = OPERATIONS[name], operations[name]
    parameters = {parameter["name"]: parameter for parameter in documented.get("parameters", [])}
    outside_path = {key for key, parameter in parameters.items() if parameter["paramType"] != "path"}
    in_path = set(parameters) - outside_path
    assert row.parameters <= outside_path
    assert in_path == {part.strip("{}") for part in row.path.split("/") if part.startswith("{")}
    required = {key for key in outside_path if parameters[key].get("required")}
    assert required <= row.parameters
    if row.body is not None:
        assert parameters[row.body]["paramType"] == "body"
    assert _fits(row.reply, documented["responseClass"])


@pytest.mark.parametrize(
    ("request_type", "row"), [(Originate, channels.ORIGINATE), (CreateExternalMedia, channels.EXTERNAL_MEDIA)]
)
def test_request_structs_have_the_documented_types(
    request_type: type[msgspec.Struct], row: Operation[Any], operations: dict[str, dict[str, Any]]
) -> None:
    parameters = {each["name"]: each for each in operations[f"{row.method} {row.path}"]["parameters"]}
    hints = get_type_hints(request_type)
    for field in msgspec.structs.fields(request_type):
        assert field.encode_name in row.parameters
        documented = parameters[field.encode_name]["dataType"]
        assert documented == "containers" or _fits(hints[field.name], documented)


@pytest.mark.parametrize(
    ("name", "parameter", "ours"),
    [
        ("DELETE /channels/{channelId}", "reason", channels.HangupReason),
        ("POST /channels/{channelId}/snoop", "spy", channels.Direction),
        ("POST /channels/{channelId}/snoop", "whisper", channels.Direction),
    ],
)
def test_our_words_are_documented_words(
    name: str, parameter: str, ours: object, operations: dict[str, dict[str, Any]]
) -> None:
    documented = next(each for each in operations[name]["parameters"] if each["name"] == parameter)
    assert set(get_args(ours)) <= set(documented["allowableValues"]["values"])


@pytest.mark.parametrize("kind", events.EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_every_event_and_its_fields_exist(kind: type[msgspec.Struct], models: dict[str, dict[str, Any]]) -> None:
    properties = {
        **models["Message"]["properties"],
        **models["Event"]["properties"],
        **models[kind.__name__]["properties"],
    }
    assert kind.__name__ in models["Event"]["subTypes"]
    _check_fields(kind, properties)


@pytest.mark.parametrize("kind", DISALLOWED_EVENTS)
def test_filtered_events_exist_and_are_not_read(kind: str, models: dict[str, dict[str, Any]]) -> None:
    assert kind in models["Event"]["subTypes"]
    assert kind not in {known.__name__ for known in events.EVENT_TYPES}


MODELS = (
    *("Channel", "CallerID", "DialplanCEP", "Bridge", "Application", "Variable", "LiveRecording"),
    *("RTPstat", "SystemInfo", "StatusInfo", "AsteriskInfo", "AsteriskPing"),
)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_and_its_fields_exist(name: str, models: dict[str, dict[str, Any]]) -> None:
    from stasis import model

    _check_fields(getattr(model, name), models[name]["properties"])


def _check_fields(kind: type[msgspec.Struct], properties: dict[str, dict[str, Any]]) -> None:
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        documented = properties[field.encode_name]
        assert _fits(hints[field.name], documented["type"]), f"{kind.__name__}.{field.name}"
        if field.required:
            assert documented.get("required"), f"{kind.__name__}.{field.name} may be absent"


def _fits(ours: Any, documented: str) -> bool:
    """Whether a value of the documented type decodes into ours."""
    origin = get_origin(ours)
    if origin in {Union, UnionType}:
        return any(_fits(each, documented) for each in get_args(ours) if each is not NoneType)
    if documented.startswith("List["):
        return origin in {list, tuple} and _fits(get_args(ours)[0], documented[5:-1])
    if origin is Literal:
        return documented == "string"
    if documented in SIMPLE:
        return (origin or ours) in SIMPLE[documented]
    return getattr(ours, "__name__", "") == documented
