"""``python -m dkronpy`` is the command line."""

import sys

from dkronpy.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
