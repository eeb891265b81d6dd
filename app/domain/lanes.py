"""Who is claimed next: lanes (campaigns, and each tenant's single tasks) take turns within a priority.

A lane without room, because its campaign or tenant has all the calls it may have, takes no place from others.
Pure; called by `app.store.leases` with what the store found.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Due tasks of one priority in one lane; `due_ms` is when the first of them became due."""

    lane: str
    tenant_id: str
    priority: int
    due_ms: int
    count: int
    """How many are due, as far as it was worth counting."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Claim up to `count` of these."""

    head: Head
    count: int


def share_out(
    heads: Sequence[Head], free: int, lane_room: Mapping[str, int], tenant_room: Mapping[str, int]
) -> list[Share]:
    """Divide `free` places: higher priority first, then one place a lane in turn, longest waiting first.

    Room that is not named is unlimited.
    """
    given: dict[Head, int] = {}
    of_lane: Counter[str] = Counter()
    of_tenant: Counter[str] = Counter()
    for priority in sorted({head.priority for head in heads}, reverse=True):
        turn = sorted((head for head in heads if head.priority == priority), key=lambda head: head.due_ms)
        while turn and free > 0:
            turn = [
                head
                for head in turn
                if given.get(head, 0) < head.count
                and of_lane[head.lane] < lane_room.get(head.lane, free + of_lane[head.lane])
                and of_tenant[head.tenant_id] < tenant_room.get(head.tenant_id, free + of_tenant[head.tenant_id])
            ]
            for head in turn[:free]:
                if of_tenant[head.tenant_id] >= tenant_room.get(head.tenant_id, free + of_tenant[head.tenant_id]):
                    continue
                given[head] = given.get(head, 0) + 1
                of_lane[head.lane] += 1
                of_tenant[head.tenant_id] += 1
                free -= 1
    return [Share(head=head, count=count) for head, count in given.items()]
