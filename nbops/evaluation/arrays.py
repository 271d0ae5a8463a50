"""The arrays that pass between these modules, by what they hold; imported for their types alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
"""Numbers of groups, classes or blocks, from 0; or how many there are of each."""
Rows = npt.NDArray[np.int64]
"""Positions of rows."""
Mask = npt.NDArray[np.bool_]
