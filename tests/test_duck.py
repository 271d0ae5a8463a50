"""What DuckDB does by itself is not seen by whoever uses nbops."""

from __future__ import annotations

import subprocess
import sys

ASKED = "print(con.execute(\"select current_setting('enable_progress_bar')\").fetchone()[0])"


def test_no_progress_bar_is_drawn_into_what_is_printed() -> None:
    # DuckDB takes `python -c` for a session in which somebody watches, as it does a notebook.
    for made in ("import duckdb; con = duckdb.connect()", "from nbops import duck; con = duck.scratch()"):
        done = subprocess.run([sys.executable, "-c", f"{made}; {ASKED}"], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str("nbops" not in made)
