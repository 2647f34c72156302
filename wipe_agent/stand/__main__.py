"""`python -m wipe_agent.stand`: the process of one drive. The supervisor starts it; nobody types it."""

import sys

from wipe_agent.stand.drive import main

if __name__ == "__main__":
    sys.exit(main(sys.stdin, sys.stdout))
