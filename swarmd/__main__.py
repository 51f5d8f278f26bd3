"""`python -m swarmd` is the `swarmd` command."""

from swarmd.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
