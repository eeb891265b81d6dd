"""Calling rules as data: packs, how several become one, which zones a callee may be in, when a call may begin.

Pure. Engineering defaults, not legal advice. Files are read by `app.policy_packs`; `app.domain.admission` decides.
"""
