"""The verbs on applications and on Asterisk itself: get, eventFilter, user events, info, ping."""

from app.sim.asterisk.channels import Json
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.params import NO_CONTENT, Params, Reply, refused
from app.sim.asterisk.settings import stamp


def list_applications(desk: Desk, params: Params) -> Reply:
    """GET /applications."""
    del params
    return Reply(200, [app.to_json() for app in desk.exchange.apps.values()])


def get_application(desk: Desk, params: Params) -> Reply:
    """GET /applications/{applicationName}."""
    app = desk.exchange.apps.get(params.text("applicationName"))
    return refused(404, "Application not found") if app is None else Reply(200, app.to_json())


def filter_events(desk: Desk, params: Params) -> Reply:
    """PUT eventFilter. An *allowed* list drops everything that is not in it."""
    app = desk.exchange.apps.get(params.text("applicationName"))
    if app is None:
        return refused(404, "Application not found")
    if not app.set_filter(params.body()):
        return refused(400, "Invalid format definition")
    return Reply(200, app.to_json())


def user_event(desk: Desk, params: Params) -> Reply:
    """POST /events/user/{eventName}: to the application, whoever has it."""
    app = desk.exchange.apps.get(params.text("application"))
    if app is None:
        return refused(404, "Application not found")
    event: Json = {"type": "ChannelUserevent", "eventname": params.text("eventName"), "userevent": {}}
    desk.exchange.publish_to([app], event)
    return NO_CONTENT


def info(desk: Desk, params: Params) -> Reply:
    """GET /asterisk/info; `only` picks sections."""
    settings = desk.exchange.settings
    sections: dict[str, Json] = {
        "build": {"os": "Linux", "kernel": "", "machine": "x86_64", "options": "", "date": "", "user": "sim"},
        "system": {"version": settings.version, "entity_id": settings.asterisk_id},
        "config": {"name": "", "default_language": "en", "setid": {"user": "asterisk", "group": "asterisk"}},
        "status": {
            "startup_time": desk.exchange.startup_time,
            "last_reload_time": desk.exchange.startup_time,
        },
    }
    only = params.names("only")
    return Reply(200, {name: section for name, section in sections.items() if not only or name in only})


def ping(desk: Desk, params: Params) -> Reply:
    """GET /asterisk/ping."""
    del params
    return Reply(200, {"ping": "pong", "timestamp": stamp(), "asterisk_id": desk.exchange.settings.asterisk_id})


def get_variable(desk: Desk, params: Params) -> Reply:
    """GET /asterisk/variable: a global variable, empty when there is none."""
    name = params.text("variable")
    if not name:
        return refused(400, "Variable name is required")
    return Reply(200, {"value": desk.exchange.globals.values.get(name, "")})


def set_variable(desk: Desk, params: Params) -> Reply:
    """POST /asterisk/variable: no value removes it. Functions it does not have change nothing and are no error."""
    name = params.text("variable")
    if not name:
        return refused(400, "Variable name is required")
    desk.exchange.globals.set(name, params.text("value"))
    return NO_CONTENT
