"""The console. `create_app` is everything; `app.engine` or a server of its own runs it.

Reads the store and the bus, never the engine. Exactly one process of it per bus, because the hubs live in memory.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType] - unparametrised generics of theirs
)

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.config.site import load_site
from app.errors import StoreError
from app.people.door import Door
from app.people.passwords import Passwords
from app.store import calls
from app.store.db import Database
from web.agents.page import AgentPages
from web.agents.routes import agent_page_routes
from web.api.once import Once
from web.api.resources import Parts, resources
from web.api.router import api_router
from web.audit.page import AuditPage
from web.audit.routes import audit_routes
from web.auth import PUBLIC, identify, person_of, require
from web.calendar.page import Calendar
from web.calendar.routes import calendar_routes
from web.call_page.page import CallPages
from web.call_page.routes import call_page_routes
from web.calls import Socket, call_routes
from web.campaigns.batches import batches_over
from web.chat.routes import chat_routes
from web.decisions.page import Decisions, lifecycle_on
from web.decisions.routes import decision_routes
from web.desk import Desk
from web.doctor.routes import Doctor, doctor_routes
from web.guard import add_headers, guard
from web.live import Hubs
from web.pages import Pages
from web.people import People, people_routes
from web.planning import planning_routes
from web.problems import Problems
from web.questions import Questions, question_routes
from web.rates import STORE, RateStore, rates
from web.reach import Reach
from web.rehearsals.page import Rehearsals
from web.rehearsals.routes import rehearsal_routes
from web.render import Templates
from web.search import search_routes
from web.sign_in import sign_in_routes
from web.spoken.desk import SpokenDesk
from web.spoken.routes import spoken_routes
from web.steer.desk import SteerDesk
from web.steer.routes import steer_routes, voices
from web.steer.sockets import CallSockets, StillIn
from web.task_pages.page import TaskPages
from web.task_pages.routes import task_page_routes
from web.tryouts.page import TryoutPages
from web.tryouts.routes import tryout_routes

STATIC = Path(__file__).parent / "static"
Asked = Request[object, object, State]


def create_app(
    settings: Settings, db: Database, bus: Bus, clock: Clock, passwords: Passwords | None = None
) -> Litestar:
    """The ASGI application over an opened database; the caller closes it after the application has shut down."""
    hubs = Hubs(db, bus, clock, settings.call_slots)
    templates, site = Templates(settings), load_site(settings)
    door, once = Door(db, clock, passwords), Once(db, clock)
    desk = Desk(settings, db, bus, clock, site)
    questions, steer = Questions(db, bus, clock, templates), SteerDesk(settings, db, bus, clock)
    reach = Reach(settings, db, bus, clock, templates=templates, site=site)
    batches = batches_over(db, bus, clock, site, steer)
    parts = Parts(
        settings=settings,
        db=db,
        bus=bus,
        clock=clock,
        site=site,
        questions=questions,
        steer=steer,
        once=once,
        reach=reach,
    )
    still_in = _still_in(door)
    spoken = SpokenDesk(desk, still_in)
    return Litestar(
        route_handlers=[
            *call_routes(Pages(db, clock, templates, settings.call_slots), hubs, still_in),
            *call_page_routes(CallPages(db, clock, templates, settings.recordings_dir)),
            *sign_in_routes(door, templates),
            *people_routes(People(db, clock, door, templates)),
            *question_routes(questions),
            *steer_routes(steer, *voices(settings, bus, clock, CallSockets(db, clock, still_in))),
            *reach.routes(),
            *task_page_routes(TaskPages(db, bus, clock, site, templates)),
            *decision_routes(Decisions(db, bus, clock, templates, on=lifecycle_on(settings))),
            *calendar_routes(Calendar(db, clock, site, templates)),
            *audit_routes(AuditPage(db, templates)),
            *_agent_routes(TryoutPages(settings, db, bus, clock, templates), still_in),
            *doctor_routes(Doctor(settings), templates),
            *batches.routes(templates),
            *planning_routes(desk),
            *search_routes(db),
            *chat_routes(desk, templates),
            *spoken_routes(spoken),
            _health_route(settings, db),
            api_router(templates, resources(parts, batches)),
            create_static_files_router(path="/static", directories=[STATIC], opt=dict(PUBLIC)),
        ],
        lifespan=[_life(hubs, desk, reach, spoken, once)],
        middleware=[guard(settings.allowed_hosts), identify(door), *rates(settings)],
        stores={STORE: RateStore(settings.redis_url)},
        guards=[require],
        before_send=[add_headers],
        exception_handlers=Problems(templates).handlers(),
        openapi_config=None,
        logging_config=None,  # the process has set up its logs; Litestar's default would replace them
        debug=False,
    )


def _still_in(door: Door) -> Callable[[Socket], Awaitable[bool]]:
    """Whether whoever opened a websocket is still signed in."""

    async def still_in(socket: Socket) -> bool:
        person = person_of(socket)
        return person is not None and await door.still_in(person)

    return still_in


def _life(
    hubs: Hubs, desk: Desk, reach: Reach, spoken: SpokenDesk, once: Once
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """What runs beside the requests."""

    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncGenerator[None]:
        try:
            async with asyncio.TaskGroup() as group:
                with hubs.running(group), desk.replies.running(group), spoken.running(group):
                    beside = [
                        group.create_task(reach.contacts.importer.run(), name="imports"),
                        group.create_task(once.sweep(), name="old answers"),
                    ]
                    yield
                    for task in beside:
                        task.cancel()
        finally:
            await desk.close()

    return life


def _agent_routes(tryouts: TryoutPages, still_in: StillIn) -> list[BaseRouteHandler]:
    """Agents, and what is tried with them: test calls, rehearsals."""
    rehearsals = Rehearsals(tryouts.db, tryouts.bus, tryouts.clock, tryouts.templates)
    pages = AgentPages(tryouts, rehearsals)
    return [*agent_page_routes(pages), *tryout_routes(tryouts, still_in), *rehearsal_routes(rehearsals)]


def _health_route(settings: Settings, db: Database) -> HTTPRouteHandler:
    @get("/health", opt=PUBLIC)
    async def health(request: Asked) -> Response[dict[str, object]]:
        """For load balancers: whether the store answers. Figures only for people of a tenant."""
        facts: dict[str, object] = {"test_mode": settings.app_test_mode, "simulate": settings.simulate}
        person = person_of(request)
        try:
            if person is None:
                await db.one("SELECT 1")
                return Response({"ok": True, "store": "ok", **facts})
            alive, ended, cost = await calls.totals(db, person.tenant_id)
        except StoreError as error:
            return Response({"ok": False, "store": error.message, **facts}, status_code=503)
        counted = {"calls_alive": alive, "calls_ended": ended, "cost_micro_usd": cost}
        return Response({"ok": True, "store": "ok", **counted, **facts})

    return health
