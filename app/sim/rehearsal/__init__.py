"""The rehearsal: personas that are called by the whole product, and what must come of each of them."""
