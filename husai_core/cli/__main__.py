"""`python -m husai_core.cli`: the command line without its launcher."""

from husai_core.cli import main

main()
