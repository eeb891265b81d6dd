"""The planner by voice: the same conversation, rules and functions as the chat, over a Realtime session.

`talk` decides (pure), `told` is what the model is told (pure), `hands` carries functions out, `notebook` writes
down what was said, `line` is the sound both ways, `session` puts them together.
"""
