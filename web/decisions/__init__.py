"""The page "Decisions": what the lifecycle agent decided about tasks, why, and the way back."""
