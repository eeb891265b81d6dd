"""`python -m app` is the `opendeep` command."""

from app.cli.main import main

main()
