"""What can go wrong inside `app`, as one tree; messages are sentences a person can act on.

- AppError: `code` for programs, `message` for people, `retryable` when the same call may succeed later
  - ConfigError: the settings; carries every problem at once
  - ValidationFailed: an input does not fit (HTTP 422)
  - NotFoundError (404), ConflictError (409)
    - IllegalTransition: a state machine does not allow this step
    - LeaseLost: somebody else holds the task now; whatever was planned must not happen
  - StoreError: the database
    - DatabaseBusy (retryable), ConstraintFailed, SchemaError
"""

from collections.abc import Sequence


class AppError(Exception):
    """Any failure of ours that has a name."""

    code = "error"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable


class ConfigError(AppError):
    """The settings cannot be used. `problems` names every bad key, one sentence each."""

    code = "config"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The settings cannot be used:\n" + "\n".join(f"  - {line}" for line in self.problems))


class ValidationFailed(AppError):
    """An input does not fit; the message says which and what would."""

    code = "invalid"


class NotFoundError(AppError):
    """No such row for this tenant."""

    code = "not_found"


class ConflictError(AppError):
    """The row is not in the state this step needs."""

    code = "conflict"


class IllegalTransition(ConflictError):
    """A state machine was asked for a step it does not have."""

    code = "illegal_transition"


class LeaseLost(ConflictError):
    """The fencing token is not the current one, or the lease ran out."""

    code = "lease_lost"


class StoreError(AppError):
    """The database refused or failed."""

    code = "store"


class DatabaseBusy(StoreError):
    """Another process held the write lock longer than the busy timeout."""

    code = "store_busy"
    retryable = True


class ConstraintFailed(StoreError):
    """A CHECK, UNIQUE or foreign key constraint refused the write."""

    code = "constraint"


class SchemaError(StoreError):
    """The database file belongs to another version of the program, or its migrations were edited."""

    code = "schema"
