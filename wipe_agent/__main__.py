"""`python -m wipe_agent`: the terminal's words and the terminal's screen, put together."""

import sys

from wipe_agent import cli, screen


def main() -> int:
    """Run the command line. Returns the exit code."""
    return cli.main(sys.argv[1:], screen.Terminal)


if __name__ == "__main__":
    sys.exit(main())
