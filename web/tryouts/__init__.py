"""Test calls in the browser: somebody talks with an agent's version by microphone before anybody is called."""
