"""Who tells whom that something changed. The store is the truth; a lost message only delays a screen.

`MemoryBus` serves one process; `app.bus.redis.RedisBus` connects several, callers see no difference.
"""

from app.bus.memory import QUEUE_LENGTH, Bus, MemoryBus, Subscription

__all__ = ["QUEUE_LENGTH", "Bus", "MemoryBus", "Subscription"]
