"""`python -m thermalctl` is the console script."""

from thermalctl.cli.app import main

if __name__ == "__main__":
    main()
