"""Promises with proofs: each module tries hard to break one and reports N, violations, seed and seconds.

A module has `run(seed, mutant) -> Result` and `MUTANTS`, names of deliberately wrong products that its check must
catch. `scripts/prove` runs them.
"""
