"""`python -m ewaste`."""

import sys

try:
    from ewaste.cli import main

    code = main()
except KeyboardInterrupt:  # Ctrl-C says it all; a traceback would add nothing.
    code = 130
sys.exit(code)
