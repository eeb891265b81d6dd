"""Short forms of what `scripts/prove` proves, with the mutants each must catch. What holds after a flow test holds
here."""

from multiprocessing import resource_tracker

from tests.flow.conftest import nothing_of_the_test_is_left, quick_turns

__all__ = ["nothing_of_the_test_is_left", "quick_turns"]

resource_tracker.ensure_running()  # lives as long as this process: nothing that a test left
