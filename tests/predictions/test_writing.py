"""What goes wrong while rows are read and written is told as what it is."""

from __future__ import annotations

import pytest

from nbops.errors import NbopsError, QueryTimeout, SourceError, StoreFull, StoreReadOnly
from nbops.predictions import writing


@pytest.mark.parametrize("kind", [StoreReadOnly, StoreFull, QueryTimeout])
def test_a_fault_of_the_store_is_no_fault_of_the_rows(kind: type[NbopsError]) -> None:
    with pytest.raises(kind, match="as it was"), writing.readable():
        raise kind("as it was", hint="-")


def test_what_the_system_says_of_rows_is_told_of_them() -> None:
    with pytest.raises(SourceError, match="cannot be read to their end: torn"), writing.readable():
        raise OSError("torn")
