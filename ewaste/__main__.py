"""`python -m ewaste`."""

import sys

from ewaste.cli import main

sys.exit(main())
