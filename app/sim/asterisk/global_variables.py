"""Global variables: set by name, or by the dialplan function GLOBAL in the variables of a new channel."""


class GlobalVariables:
    """`values` by name. A function other than GLOBAL changes nothing, as when its module is not loaded."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        """An empty value removes the variable."""
        if name.endswith(")"):
            if not name.startswith("GLOBAL("):
                return
            name = name[len("GLOBAL(") : -1]
        if value:
            self.values[name] = value
        else:
            self.values.pop(name, None)

    def take(self, variables: dict[str, str]) -> None:
        """Out of the variables a channel is made with."""
        for name in [name for name in variables if name.startswith("GLOBAL(")]:
            self.set(name, variables.pop(name))
