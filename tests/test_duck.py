"""What DuckDB does by itself is not seen by whoever uses nbops."""

from __future__ import annotations

import subprocess
import sys

SLOW = "select sum(hash(a.i * b.i)) from range(6_000) a(i), range(6_000) b(i)"


def test_a_query_that_takes_long_draws_nothing_into_what_is_printed() -> None:
    # DuckDB takes `python -c` for a session in which somebody watches.
    code = (
        f"from nbops import duck; con = duck.scratch(); con.execute('set progress_bar_time = 0'); con.execute('{SLOW}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
