"""Steering a living call from the browser: orders, and what can be ordered now."""
