"""Structured logs: console for people or one JSON object a line, `call_id` and the like from context variables.

Phone numbers, keys and passwords are masked in every value before it is written; transcript text is never logged.
Standard-library loggers (`stasis`, `media`, uvicorn) go through the same chain.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.domain.number import mask_number

Level = Literal["debug", "info", "warning", "error"]

_NUMBER = re.compile(r"(?<![\w.])\+?[1-9]\d{7,14}(?![\w.])")
_KEY = re.compile(r"\b(sk-[A-Za-z0-9_\-]{4,}|Bearer\s+\S+|Basic\s+[A-Za-z0-9+/=]{8,})")
_URL_PASSWORD = re.compile(r"(?<=://)[^\s/@]*@")
_SECRET_NAME = re.compile(r"(password|secret|api_key|token|authorization|cookie)", re.IGNORECASE)
_PLAIN_NAMES = frozenset({"lease_token", "timestamp", "level", "call_id", "task_id", "seq"})
HIDDEN = "[hidden]"
CHATTY = ("uvicorn", "websockets", "aiohttp", "app.sim")
"""Loggers whose every connection is an info line; ours say what matters."""


def set_up_logs(level: Level | Literal["critical"], *, as_json: bool) -> None:
    """Configure logging of this process; called once by the command line.

    `critical` is for promises that cause errors on purpose; no operator may choose it.
    """
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    printer: Processor = structlog.processors.JSONRenderer() if as_json else console
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, printer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(level.upper() if level == "debug" else "WARNING")


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """structlog processor: mask numbers and hide secrets in all values; encode line breaks."""
    return {name: _clean(name, value) for name, value in event.items()}


def redact_text(text: str) -> str:
    """`text` with numbers masked, keys hidden and line breaks made visible."""
    text = _KEY.sub(HIDDEN, _URL_PASSWORD.sub(f"{HIDDEN}@", text))
    text = _NUMBER.sub(lambda found: mask_number(found.group()), text)
    return text.replace("\r", "\\r").replace("\n", "\\n") if "Traceback" not in text else text


def _clean(name: str, value: object) -> object:
    if name in _PLAIN_NAMES or name.startswith("_"):
        return value
    if _SECRET_NAME.search(name):
        return HIDDEN
    match value:
        case str():
            return redact_text(value)
        case Mapping():
            items = cast("Mapping[object, object]", value)
            return {key: _clean(str(key), item) for key, item in items.items()}
        case list() | tuple():
            return [_clean(name, item) for item in cast("list[object]", value)]
        case bool() | int() | float() | None:
            return value
        case _:
            return redact_text(str(value))
