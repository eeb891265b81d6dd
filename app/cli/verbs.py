"""A group whose commands are imported when they are run, not when they are listed."""

import pkgutil

import click


class Verb(click.Command):
    """Stands for a command in listings. `place`: where the command itself is, as `module:attribute`."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self.place = place

    def load(self) -> click.Command:
        """Import the command and what it needs."""
        command = pkgutil.resolve_name(self.place)
        assert isinstance(command, click.Command), self.place
        return command


class VerbGroup(click.Group):
    """Lists, completes and suggests from its `Verb`s alone; imports only the one that is asked for."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Verb) else command, rest
