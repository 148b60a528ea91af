"""``python -m flows.cli``: the command, where its script is not installed."""

from flows.cli.main import main

main()
