"""How long a call goes on without Asterisk: 45 seconds from the first loss, told once."""

from app.calls.away import ASTERISK_GONE_S, Away


def test_nothing_is_due_while_asterisk_is_there() -> None:
    away = Away()
    assert away.next_deadline is None
    assert not away.overdue(1e9)


def test_it_counts_from_the_first_loss() -> None:
    away = Away()
    away.lost(100.0)
    away.lost(120.0)  # could not be had again: still the same absence
    assert away.next_deadline == 100.0 + ASTERISK_GONE_S
    assert not away.overdue(100.0 + ASTERISK_GONE_S - 0.001)
    assert away.overdue(100.0 + ASTERISK_GONE_S)


def test_it_is_told_once() -> None:
    away = Away()
    away.lost(0.0)
    assert away.overdue(ASTERISK_GONE_S)
    assert not away.overdue(ASTERISK_GONE_S + 1)
    assert away.next_deadline is None


def test_coming_back_ends_the_absence() -> None:
    away = Away()
    away.lost(0.0)
    away.back()
    assert away.next_deadline is None
    away.lost(40.0)
    assert not away.overdue(ASTERISK_GONE_S + 1)
    assert away.next_deadline == 40.0 + ASTERISK_GONE_S
