"""The page "Results": what calls found out, by agent and recipient, with proof; and its files."""
