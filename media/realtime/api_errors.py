"""Error codes of the Realtime API that change what we do; every other code is only reported.

They come in `error` events, in `response.status_details.error`, and in the body of a refused upgrade.
"""

FATAL_CODES = frozenset(
    {"insufficient_quota", "invalid_api_key", "account_deactivated", "billing_hard_limit_reached"}
)
"""The account is refused: no new session will do better."""

RATE_LIMIT_CODES = frozenset({"rate_limit_exceeded", "inference_rate_limit_exceeded"})

SLOT_TAKEN = "conversation_already_has_active_response"
SESSION_EXPIRED = "session_expired"

IGNORED_CODES = frozenset(
    {"response_cancel_not_active", "input_audio_buffer_commit_empty", "item_truncate_invalid_item_id"}
)
"""Races that do no harm: what we asked for had already happened."""

FATAL_STATUS = frozenset({401, 403})
"""HTTP status of a refused upgrade: the key or the account."""

HOPELESS_STATUS = frozenset({400, 404, 405, 410, 422})
"""The address or the model is wrong: trying again gives the same answer."""
