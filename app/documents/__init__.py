"""What agents know from documents: fetched, turned into plain text and kept, before anybody is called.

Begin with `app.documents.library`. Nothing is imported here: the program that reads files must start quickly.
"""
