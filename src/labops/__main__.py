"""`python -m labops` is `lab`."""

import sys

from labops.cli import main

if __name__ == "__main__":
    sys.exit(main())
