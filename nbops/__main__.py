"""`python -m nbops` is `nbops`."""

from nbops.cli import main

main()
