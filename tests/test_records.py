"""The shared vocabulary: ids in order and never twice, times that come back, errors that keep their remedy wherever they travel."""

from __future__ import annotations

import os
import pickle
import threading
import time
import uuid
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops import errors
from nbops.errors import EXITS, Ambiguous, FilterError, NbopsError, NotFound, StoreFull, from_wire, nearest
from nbops.records import Param, at, new_id, now_us, short


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    # Quickly made ids may run ahead of the clock, by a few at a time.
    assert before <= made.int >> 80 <= after + 1000


def test_ids_of_a_process_are_in_order_and_never_twice_whichever_thread_makes_them() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(mine: list[str]) -> None:
        mine.extend(new_id() for _ in range(5000))

    threads = [threading.Thread(target=make, args=[mine]) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({one for mine in made for one in mine}) == 20_000


def test_a_forked_child_makes_ids_of_its_own() -> None:
    new_id()
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, "\n".join(new_id() for _ in range(50)).encode())
        os._exit(0)
    mine = {new_id() for _ in range(50)}
    os.close(writer)
    with os.fdopen(reader) as file:
        theirs = set(file.read().split())
    os.waitpid(child, 0)
    assert len(mine | theirs) == 100


def test_what_is_shown_of_an_id_is_its_end() -> None:
    assert short("01a1fbaf-8043-7b7e-b912-e461f3edb8ef") == "f3edb8ef"


def test_times_are_aware_and_utc() -> None:
    assert at(1_763_683_200_000_001) == datetime(2025, 11, 21, 0, 0, 0, 1, tzinfo=UTC)
    assert abs(now_us() - time.time() * 1e6) < 5e6


def test_records_are_frozen_and_equal_by_value() -> None:
    param = Param(key="a", value="1", kind="int")
    assert param == Param(key="a", value="1", kind="int")
    with pytest.raises(AttributeError):
        param.value = "2"  # type: ignore[misc]


@given(key=st.text(max_size=20), value=st.text(max_size=20))
def test_records_survive_the_wire(key: str, value: str) -> None:
    param = Param(key=key, value=value, kind="str")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(param), type=Param) == param


# Errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NbopsError)]


def make(kind: type[NbopsError]) -> NbopsError:
    if kind is FilterError:
        return FilterError("It did not work.", hint="Try again.", position=3)
    return kind("It did not work.", hint="Try again.")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_shows_its_remedy_and_has_an_exit_status(kind: type[NbopsError]) -> None:
    error = make(kind)
    assert str(error) == "It did not work.\nHint: Try again."
    assert error.exit == EXITS[kind.default_code]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_with_all_it_carries(kind: type[NbopsError]) -> None:
    error = make(kind)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert (str(again), again.code, vars(again)) == (str(error), error.code, vars(error))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not FilterError])
def test_an_error_comes_out_of_the_wire_as_what_it_was(kind: type[NbopsError]) -> None:
    error = from_wire(kind.default_code, "It did not work.", "Try again.")
    assert type(error) is kind
    assert (error.message, error.hint, error.code) == ("It did not work.", "Try again.", kind.default_code)


def test_an_error_of_a_newer_owner_is_still_one_of_ours() -> None:
    error = from_wire("store.on-fire", "It burns.", "Leave.")
    assert isinstance(error, errors.StoreError)
    assert error.exit == EXITS["internal"]
    assert type(from_wire("weather", "It rains.", "Wait.")) is NbopsError


def test_errors_are_also_what_python_would_raise() -> None:
    assert isinstance(make(StoreFull), OSError)
    assert isinstance(make(Ambiguous), LookupError)


def test_not_found_names_the_nearest_or_says_what_else_to_do() -> None:
    assert (
        NotFound.of("model", "air-tme", ["air-time", "delay"], otherwise="Register it.").hint
        == "Did you mean 'air-time'?"
    )
    assert NotFound.of("model", "zzz", ["air-time"], otherwise="Register it.").hint == "Register it."
    assert nearest("alhpa", ["alpha", "depth"]) == "alpha"
    assert nearest("x", []) is None
