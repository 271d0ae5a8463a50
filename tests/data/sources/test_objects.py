"""Files of object stores are brought into staging through fsspec, and known again by their tags."""

from __future__ import annotations

import gzip
import uuid
from typing import Any

import pytest

from nbops.data.sources import objects
from tests.data.sources.trial import Fetching, rows

fsspec: Any = pytest.importorskip("fsspec")
CSV = b"a,b\n1,x\n2,y\n"


@pytest.fixture
def bucket() -> str:
    """A folder of the memory that no other test sees."""
    return f"/{uuid.uuid4().hex}"


@pytest.fixture
def memory(bucket: str) -> Any:
    return fsspec.filesystem("memory")


def test_object_is_staged(bucket: str, memory: Any, fetching: Fetching) -> None:
    memory.pipe(f"{bucket}/a.csv", CSV)
    fetched = fetching(f"memory:/{bucket}/a.csv")
    assert rows(fetched) == [(1, "x"), (2, "y")]
    assert fetching.left() == ["flights.csv"]
    assert (fetched.origin.kind, fetched.origin.bytes) == ("object", len(CSV))
    assert fetching(f"memory:/{bucket}/a.csv", seen=fetched.origin).unchanged


def test_pattern_stands_for_many_objects(bucket: str, memory: Any, fetching: Fetching) -> None:
    for name in ("a.csv", "b.csv"):
        memory.pipe(f"{bucket}/{name}", CSV)
    fetched = fetching(f"memory:/{bucket}/*.csv")
    assert len(rows(fetched)) == 4
    assert [file.name.rpartition("/")[2] for file in fetched.origin.files] == ["a.csv", "b.csv"]
    memory.pipe(f"{bucket}/b.csv", CSV + b"3,z\n")
    assert len(rows(fetching(f"memory:/{bucket}/*.csv", seen=fetched.origin))) == 5
    memory.rm(f"{bucket}/b.csv")
    assert len(rows(fetching(f"memory:/{bucket}/*.csv"))) == 2
    assert fetching.left() == ["flights.csv"]


def test_compressed_object_is_expanded(bucket: str, memory: Any, fetching: Fetching) -> None:
    memory.pipe(f"{bucket}/a.csv.gz", gzip.compress(CSV))
    assert rows(fetching(f"memory:/{bucket}/a.csv.gz")) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("memory://nowhere/a.csv", "There is no file"),
        ("memory://nowhere/*.csv", "There is no file"),
        ("memry://a.csv", "Did you mean memory://?"),
        ("memory://a.txt", "There is no file"),
    ],
)
def test_what_is_not_there_is_told(given: str, words: str, fetching: Fetching) -> None:
    assert words in fetching.refused(given)


def test_package_that_is_missing_is_named(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    assert "pip install 'nbops[objects]' s3fs" in fetching.refused("s3://bucket/a.csv")


def test_object_is_tagged_by_what_its_store_says() -> None:
    assert objects._validators({"ETag": '"abc"', "LastModified": "now"}).etag == "abc"  # noqa: SLF001 - stores differ, and none is here
    assert not objects._validators({}).is_strong  # noqa: SLF001 - the same


class Breaking(fsspec.spec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A store whose connections break off, as often as it is told."""

    protocol = "nbopsbreaking"
    cachable = False
    body = b""
    failures = 0
    missing = 0
    opened: list[int] = []

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": len(self.body) + self.missing, "type": "file", "ETag": "1"}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        import io

        class Stream(io.BytesIO):
            def seek(self, offset: int, whence: int = 0) -> int:
                Breaking.opened.append(offset)
                return super().seek(offset, whence)

            def read(self, count: int | None = -1) -> bytes:
                if Breaking.failures and self.tell() >= 2**20:
                    Breaking.failures -= 1
                    raise ConnectionResetError
                return super().read(count)

        return Stream(self.body)


def test_object_goes_on_where_it_broke_off(fetching: Fetching) -> None:
    fsspec.register_implementation("nbopsbreaking", Breaking, clobber=True)
    Breaking.body = b"a,b\n" + b"1,x\n" * 600_000
    Breaking.failures = 1
    Breaking.opened.clear()
    fetched = fetching("nbopsbreaking://a.csv")
    assert (fetched.origin.attempts, fetched.origin.files[0].size) == (2, len(Breaking.body))
    assert Breaking.opened == [0, 2**20]


def test_object_that_ends_early_is_not_taken_for_whole(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("nbopsbreaking", Breaking, clobber=True)
    monkeypatch.setattr(Breaking, "body", CSV)
    monkeypatch.setattr(Breaking, "missing", 5)
    assert "it broke off after 12 bytes of 17 bytes, after 2 attempts" in fetching.refused(
        "nbopsbreaking://a.csv", retries=1
    )
