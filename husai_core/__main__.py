"""`python -m husai_core`: the command line, for an environment whose `husai` is not on the path."""

from husai_core.cli import main

if __name__ == "__main__":
    main()
