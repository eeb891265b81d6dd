"""How the benchmark of the console counts: an event is delivered by itself or by a later one, or it is missed."""

import numpy as np

from scripts.benchmarks.console import delivered, pages
from scripts.benchmarks.console_server import EVENTS_PER_S
from web.render import PLACES

MS = 1_000_000


def test_coalesced_events_count_from_their_own_publishing_and_missing_ones_are_missed() -> None:
    told = np.array([[n * 100 * MS for n in range(EVENTS_PER_S)]])
    seen = np.array([[0, 0, 4, 450 * MS], [0, 0, 3, 450 * MS], [0, 0, 9, 1_000 * MS]])
    late_ms, missed = delivered(told, ["c"], seen, ["c"], viewers=1)
    assert late_ms == [250, 150, 50, 500, 400, 300, 200, 100], "events 2 to 4, then 5 to 9; 0 and 1 are no words"
    assert missed == 2, "10 and 11 never came"


def test_a_browser_that_saw_nothing_missed_everything() -> None:
    told = np.zeros((1, EVENTS_PER_S), dtype=np.int64)
    assert delivered(told, ["c"], np.empty((0, 4), dtype=np.int64), [], viewers=2) == ([], 2 * (EVENTS_PER_S - 2))


def test_one_page_of_each_form_is_found_and_no_file() -> None:
    one, two = "0" * 31 + "1", "0" * 31 + "2"
    texts = {
        "/campaigns": f'<a class="x" href="/campaigns/{one}?a=b">A</a> <a href="/campaigns/{two}">B</a>',
        f"/campaigns/{one}": f'<a href="/campaigns/{one}/report">R</a> <a href="/api/v1/campaigns/{one}">J</a>',
        f"/campaigns/{one}/report": f'<a href="/campaigns/{one}/report.csv" download>C</a> '
        f'<a href="/tasks/{two}#x">T</a>',
        f"/tasks/{two}": f'<a href="/campaigns/{two}/report">again</a> '
        f'<a download href="/calls/{one}/audio">W</a>',
    }
    asked: list[str] = []

    def page(path: str) -> str:
        asked.append(path)
        return texts.get(path, "")

    found = pages(page)
    assert found[: len(PLACES)] == [(path, word) for path, word, *_ in PLACES]
    assert found[len(PLACES) :] == [
        (f"/campaigns/{one}", "/campaigns/{id}"),
        (f"/campaigns/{one}/report", "/campaigns/{id}/report"),
        (f"/tasks/{two}", "/tasks/{id}"),
    ]
    assert asked == [path for path, _ in found]
