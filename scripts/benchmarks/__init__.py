"""Benchmarks of the product; run by `scripts/bench`."""
