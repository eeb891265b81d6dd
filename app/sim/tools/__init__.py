"""SimTools: other people's systems, played: an HTTP API and an MCP server, as strict as real ones."""

from app.sim.tools.faults import ToolFault, ToolFaultKind, ToolFaults
from app.sim.tools.functions import SAMPLES, SimTool
from app.sim.tools.server import Request, SimTools

__all__ = ["SAMPLES", "Request", "SimTool", "SimTools", "ToolFault", "ToolFaultKind", "ToolFaults"]
