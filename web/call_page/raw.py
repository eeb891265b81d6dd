"""Pure: one call as a file for other programs."""

import msgspec

from web.call_page.facts import CallFacts

VERSION = 1
"""Of the form of the file; grows when a name in it changes its meaning."""
INTERNAL = ("lease_owner", "lease_token", "lease_until")


def raw_call(facts: CallFacts) -> dict[str, object]:
    """Rows as they are stored, JSON columns as JSON, paths of files left out."""
    content: dict[str, object] = msgspec.to_builtins(facts)
    call, task = _table(content["call"]), _table(content["task"])
    call.pop("recording_path", None)
    for name in INTERNAL:
        task.pop(name, None)
    content["agent"] = {"id": facts.agent.id, "name": facts.agent.name, "version": facts.call.agent_version}
    content["agent_prompt"] = facts.agent.prompt
    content["recordings"] = [
        {"part": number, "duration_ms": one.duration_ms, "created_ms": one.created_ms}
        for number, one in enumerate(facts.recordings, 1)
    ]
    content["attempts"] = [
        {"id": one.id, "attempt_number": one.attempt_number, "outcome": one.outcome, "created_ms": one.created_ms}
        for one in facts.attempts
    ]
    content["events"] = [_without_path(_table(event)) for event in _rows(content["events"])]
    content["collected"] = [_table(one) | {"value": _json(one, "value")} for one in _rows(content["collected"])]
    content["commands"] = [_table(one) | {"payload": _json(one, "payload")} for one in _rows(content["commands"])]
    if facts.analysis is not None:
        analysis = _table(content["analysis"])
        content["analysis"] = analysis | {name: _json(analysis, name) for name in ("judgement", "decision")}
    if facts.allowed is not None:
        allowed = _table(content["allowed"])
        content["allowed"] = allowed | {"evidence": _json(allowed, "evidence")}
    for name in ("agent_version", "names"):
        content.pop(name)
    return {"format": "opendeep.call", "version": VERSION, **content}


def _without_path(event: dict[str, object]) -> dict[str, object]:
    data = {name: value for name, value in _table(event["data"]).items() if name != "recording_path"}
    return event | {"data": data}


def _rows(value: object) -> list[object]:
    assert isinstance(value, list)
    return value  # pyright: ignore[reportUnknownVariableType] - made of structs above


def _table(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value  # pyright: ignore[reportUnknownVariableType] - made of structs above


def _json(row: object, name: str) -> object:
    text = _table(row)[name]
    if not isinstance(text, str) or not text:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
