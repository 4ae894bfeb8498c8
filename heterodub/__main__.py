"""The command line, as `python -m heterodub`."""

from heterodub.flows.cli.main import main

if __name__ == "__main__":
    main()
