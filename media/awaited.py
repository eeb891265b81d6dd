"""Function calls of a leg's model that were reported and not answered: what a new control process has to know."""

from media.protocol import NumberedReport, ToolCalled


class AwaitedTools:
    """Of one leg."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Each `tool_call_id`, in the order they were made."""
        return tuple(self._ids)

    def reported(self, report: NumberedReport) -> None:
        """A report of the leg on its way out."""
        if isinstance(report, ToolCalled):
            self._ids[report.tool_call_id] = None

    def answered(self, tool_call_id: str) -> None:
        """Its result has come."""
        self._ids.pop(tool_call_id, None)
