"""What the other tests of this folder build quickly is what Litestar builds alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.utils.signature import ParsedSignature

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.store.sqlite import SqliteDatabase
from tests.quick_apps import plain_apps
from tests.unit.app.door_world import QUICK
from web.app import create_app


def built(folder: Path) -> Litestar:
    settings = Settings.model_validate({"simulate": True, "ari_app": "x", "data_dir": folder})
    return create_app(settings, SqliteDatabase(folder / "none.db"), MemoryBus(), SystemClock(), QUICK)


def described(app: Litestar) -> dict[tuple[str, str], list[object]]:
    """What Litestar found out about each handler: its function, what it validates, and where that comes from."""
    found: dict[tuple[str, str], list[object]] = {}
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, kwargs) in route.route_handler_map.items():
            fields = [(one.name, one.type, one.default) for one in msgspec.structs.fields(handler.signature_model)]
            sources = {name: getattr(kwargs, name) for name in kwargs.__slots__ if name.startswith("expected_")}
            model = handler.signature_model
            about = [str(handler), model.__name__, model.__module__, fields, handler.parsed_return_field]
            found[route.path, method] = [*about, sources, kwargs.has_kwargs]
    return found


def test_every_handler_is_read_as_litestar_reads_it(tmp_path: Path) -> None:
    with plain_apps():
        plain = described(built(tmp_path))
    first, again = described(built(tmp_path)), described(built(tmp_path))
    assert len(plain) > 200
    assert first == plain
    assert again == plain


def test_handlers_are_those_of_their_own_application(tmp_path: Path) -> None:
    one, other = built(tmp_path), built(tmp_path)

    def functions(app: Litestar) -> set[int]:
        return {
            id(handler.fn)
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for handler in route.route_handlers
        }

    assert not functions(one) & functions(other)


def test_one_code_with_other_defaults_or_types_is_read_again() -> None:
    def made(default: int, kind: Any) -> Callable[..., None]:
        def handler(count: kind = default) -> None: ...

        return handler

    for default, kind in [(1, int), (2, int), (2, float), (1, int)]:
        count = ParsedSignature.from_fn(made(default, kind), {}).parameters["count"]
        assert (count.default, count.annotation) == (default, kind)
