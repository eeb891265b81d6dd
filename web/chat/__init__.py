"""The page "Chat": plan calls in words, answer forms, read the plan, confirm it."""
