"""The lifecycle agent: looks over all open tasks of a tenant and may change those that wait. Pure.

A text model only wishes; `judge` decides by rules which wishes become decisions, `undo` takes one back.
"""
