"""The pages about calls that are kept: the list, and everything about one call on one time line."""
