"""The page "Calendar": in which hours of their week callees answer, and when they may be called."""
