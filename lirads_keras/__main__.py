"""`python -m lirads_keras` is the command `lirads`."""
import sys

from lirads_keras.cli import main

sys.exit(main())
