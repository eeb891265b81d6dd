"""The agent's own functions: HTTP requests and tools of MCP servers, asked through the guarded client.

What a call is offered is found out before the phone rings (`Toolbox.resolve`); each call then has a `Tools` of its
own, which carries out what the model asks for and never raises for what goes wrong out there.
"""

from app.outside_tools.answer import ToolAnswer
from app.outside_tools.toolbox import LeftOut, Resolved, Toolbox, Tools
from app.outside_tools.way import Way

__all__ = ["LeftOut", "Resolved", "ToolAnswer", "Toolbox", "Tools", "Way"]
