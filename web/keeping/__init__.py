"""The page "Data": how long what is kept, what is held, and forgetting a person; the same for programs."""
