"""Nothing that nobody vouched for is built, and no archive takes more memory than it weighs for."""

from __future__ import annotations

import importlib
import io
import json
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from nbops.errors import ModelError, TrustRefused
from nbops.security import trust

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 0, 0, 1, 1, 1])

# Not in every release of scikit-learn that is supported.
ELSEWHERE = {
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.metrics._classification.d2_brier_score",
}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def changed(data: bytes, change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The members of a skops file, every node of its schema seen by `change`."""
    members = trust.unzip(data)

    def visit(node: object) -> None:
        if isinstance(node, dict):
            change(node)
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            visit(child)

    schema = json.loads(members["schema.json"])
    visit(schema)
    return {**members, "schema.json": json.dumps(schema).encode()}


def peak(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_every_reviewed_name_exists_in_the_installed_libraries() -> None:
    def exists(name: str) -> bool:
        module, _, attribute = name.rpartition(".")
        return hasattr(importlib.import_module(module), attribute)

    assert {name for name in trust.REVIEWED if not exists(name)} <= ELSEWHERE


def test_no_reviewed_name_is_a_distribution_of_scipy_or_reads_files() -> None:
    assert not [
        name
        for name in trust.REVIEWED
        if name.startswith(("scipy.stats", "builtins.", "os", "joblib")) and name != "builtins.object"
    ]


def test_a_tree_needs_no_vouching() -> None:
    assert trust.untrusted(skops.io.dumps(DecisionTreeClassifier().fit(X, Y))) == []


def test_a_pipeline_hiding_os_system_is_refused_by_name_and_runs_nothing() -> None:
    data = skops.io.dumps(make_pipeline(FunctionTransformer(os.system), LogisticRegression()))
    assert trust.untrusted(data) == [f"{os.system.__module__}.system"]
    with pytest.raises(TrustRefused, match=r"posix\.system|nt\.system"):
        trust.load(trust.unzip(data))


def test_a_name_that_somebody_vouched_for_loads() -> None:
    data = skops.io.dumps(FunctionTransformer(os.path.basename))
    with pytest.raises(TrustRefused, match=r"posixpath\.basename"):
        trust.load(trust.unzip(data))
    assert isinstance(trust.load(trust.unzip(data), trust=["posixpath.basename"]), FunctionTransformer)


def test_a_reviewed_class_is_untrusted_where_it_would_be_called() -> None:
    def call_it(node: dict[str, Any]) -> None:
        if node.get("__loader__") == "ListNode":
            node["__module__"], node["__class__"] = KFold.__module__, "KFold"

    members = changed(skops.io.dumps(make_pipeline(LogisticRegression())), call_it)
    assert trust.untrusted(zipped(members)) == [f"{KFold.__module__}.KFold"]
    with pytest.raises(TrustRefused, match="KFold"):
        trust.load(members)


def test_a_function_cannot_make_the_keys_of_a_dictionary() -> None:
    def call_it(node: dict[str, Any]) -> None:
        for key in node.get("key_types", {}).get("content", []):
            key.update(__loader__="FunctionNode", __module__="numpy", __class__="mean")

    members = changed(skops.io.dumps(LogisticRegression()), call_it)
    with pytest.raises(TrustRefused, match="keys of a dictionary"):
        trust.load(members)


def test_the_list_of_key_types_cannot_be_swapped_for_another_by_its_id() -> None:
    decoy: dict[str, Any] = {
        "__loader__": "ListNode", "__module__": "builtins", "__class__": "list", "__id__": 1,
        "content": [{"__loader__": "FunctionNode", "__module__": "numpy", "__class__": "mean", "__id__": 2}],
    }  # fmt: skip

    def swap(node: dict[str, Any]) -> None:
        if "key_types" in node:
            node["key_types"]["__id__"] = 1
            node["content"] = {"decoy": decoy, **node["content"]}

    with pytest.raises(TrustRefused, match="one identity"):
        trust.load(changed(skops.io.dumps(LogisticRegression()), swap))


@pytest.mark.parametrize(
    "name", ["../model.npy", "/etc/model.npy", "folder/model.npy", "folder\\model.npy", "c:model.npy", ".."]
)
def test_a_member_with_a_path_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="path for a name"):
        trust.check_archive(zipped({"schema.json": b"{}", name: b""}))


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06" + bytes(10), bytes(1000)])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="not a zip archive"):
        trust.check_archive(data)


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(zipped({"schema.json": b"{}"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ModelError, match="encrypted"):
        trust.check_archive(bytes(data))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_the_compression_that_models_use_is_read(compression: int) -> None:
    with pytest.raises(ModelError, match="compressed in a way"):
        trust.check_archive(zipped({"schema.json": b"{}"}, compression))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", b"{}")
        archive.writestr("schema.json", b"[]")
    with pytest.raises(ModelError, match="same name"):
        trust.check_archive(buffer.getvalue())


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "MEMBERS", 3)
    trust.check_archive(zipped({str(at): b"" for at in range(3)}))
    with pytest.raises(ModelError, match="4 files, and 3 are allowed"):
        trust.check_archive(zipped({str(at): b"" for at in range(4)}))


@pytest.mark.parametrize("name", ["schema.json", "1.npy"])
def test_a_bomb_is_refused_with_little_memory(name: str) -> None:
    bomb = zipped({name: bytes(100 << 20)})
    assert len(bomb) < 200_000

    def refused() -> None:
        with pytest.raises(ModelError, match="unpacks"):
            trust.check_archive(bomb)
        with pytest.raises(ModelError, match="unpacks"):
            trust.untrusted(bomb)

    assert peak(refused) < 1 << 20


def test_a_bomb_inside_a_sparse_matrix_is_refused() -> None:
    bomb = zipped({"data.npy": bytes(100 << 20)})
    with pytest.raises(ModelError, match="unpacks"):
        trust.check_archive(zipped({"schema.json": b"{}", "1.npz": bomb}))


def test_a_directory_that_lies_about_a_size_is_refused_and_costs_no_more_than_it_says() -> None:
    data = bytearray(zipped({"1.npy": bytes(100 << 20)}))
    # crc, compressed size and size stand at 16, 20 and 24 of a directory entry (APPNOTE 4.3.12)
    entry = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 16, zlib.crc32(bytes(10)))
    struct.pack_into("<I", data, entry + 24, 10)

    def refused() -> None:
        with pytest.raises(ModelError, match=r"'1\.npy' is not what the directory says"):
            trust.check_archive(bytes(data))

    assert peak(refused) < 8 << 20


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(("place", "value"), [(16, 0), (20, 3), (20, 400), (24, 3), (24, 400), (42, 1), (42, 1 << 30)])
def test_a_directory_that_lies_about_anything_is_refused(compression: int, place: int, value: int) -> None:
    """Its checksum, packed size, size and place; and that what is sound is read as zipfile reads it."""
    content = {"schema.json": b"{}", "größe.npy": bytes(range(256)), "empty.npy": b""}
    whole = bytearray(zipped(content, compression))
    assert trust.unzip(bytes(whole)) == content
    entry = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", whole, entry + place, value)
    with pytest.raises(ModelError, match="refused"):
        trust.unzip(bytes(whole))


def test_files_that_share_their_bytes_are_refused() -> None:
    """As in a bomb that unpacks to the square of its size: two entries of the directory point to one file."""
    data = bytearray(zipped({"a": bytes(1000), "b": bytes(1000)}))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, 0)
    with pytest.raises(ModelError, match="begins inside another one"):
        trust.unzip(bytes(data))


def test_an_archive_that_is_no_model_is_refused() -> None:
    for members in (
        {"a.txt": b"hello"},
        {"schema.json": b"{}"},
        {"schema.json": b"[" * 50_000},
        {"schema.json": b"[1]"},
    ):
        with pytest.raises(ModelError):
            trust.untrusted(zipped(members))
        with pytest.raises(ModelError):
            trust.load(members)


def test_a_matrix_of_zeros_within_the_room_is_no_bomb() -> None:
    model = LogisticRegression().fit(X, Y)
    model.coef_ = scipy.sparse.csr_matrix(np.zeros((1, 2)))
    model.extra_ = np.zeros(1_000_000)
    assert trust.untrusted(skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED)) == []


@pytest.mark.parametrize("spoil", [lambda items: items.pop(), lambda items: items.__setitem__(1, items[0])])
def test_the_state_of_a_compiled_class_is_looked_at_before_it_is_restored(spoil: Callable[[list[Any]], None]) -> None:
    """Without that the process dies: these classes read their state without checks."""
    model = KNeighborsClassifier(algorithm="kd_tree").fit(X, Y)

    def change(node: dict[str, Any]) -> None:
        if node.get("__class__") == "EuclideanDistance64":
            spoil(node["content"]["content"])

    with pytest.raises(TrustRefused, match="state of something else"):
        trust.load(changed(skops.io.dumps(model), change))


def test_an_array_with_a_spoiled_header_is_an_error_of_ours() -> None:
    members = trust.unzip(skops.io.dumps(LogisticRegression().fit(X, Y)))
    for name, content in members.items():
        if name.endswith(".npy"):
            for header in (content.replace(b"}", b"("), content.replace(b"(", b"(08,"), content[:40], b""):
                with pytest.raises(ModelError, match="cannot be rebuilt"):
                    trust.load({**members, name: header})
