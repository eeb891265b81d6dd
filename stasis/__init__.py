"""Asterisk's side of a phone call, over ARI: usable alone, knows nothing of `app`, `media` or `web`.

Pure: `ids`, `errors`, `model`, `requests`, `events`, `outcome`, and the state machine of one call: `call` with
`call_model` (what goes in and out), `prepare`, `legs`, `lookup`, `teardown`, `record`, `deadlines`. Shells:
`client` over `rest`, `channels`, `bridges`, `applications`, `asterisk`; `stream` (the event websocket), `router`
(one mailbox per call), `runner` (effects to REST), `reconcile`.
"""
