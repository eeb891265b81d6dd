"""Lists of contacts: read by a program of its own, checked, and brought in step by step."""
