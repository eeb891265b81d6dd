"""Simulators of the outside world, part of the product: demo, rehearsal and tests use the same ones."""
