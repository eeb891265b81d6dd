"""Contacts and lists of them: what a column means, whether a row can be taken, how cells are written out. Pure."""
