"""`scripts/bench answer`: how well and how fast a leg knows who answered, over a generated clip set."""
