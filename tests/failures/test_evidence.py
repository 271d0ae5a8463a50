"""Evidence is the same whichever way a failure is told: as an error, as Python's text, as a notebook's output."""

from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.failures import (
    Evidence,
    Fault,
    Frame,
    classify,
    evidence_from_error,
    evidence_from_exit,
    evidence_from_outputs,
    evidence_from_text,
)

NOTEBOOK = [
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mConnectionResetError\x1b[39m                      Traceback (most recent call last)",
    (
        "\x1b[36mFile \x1b[39m\x1b[32m~/env/lib/python3.11/site-packages/urllib3/pool.py:793\x1b[39m, in "
        "\x1b[36mPool.urlopen\x1b[39m\x1b[34m(self, url)\x1b[39m\n\x1b[32m    792\x1b[39m try:\n\x1b[32m--> 793\x1b[39m     sock.recv()\n"
    ),
    "\x1b[31mConnectionResetError\x1b[39m: [Errno 104] Connection reset by peer",
    "\nDuring handling of the above exception, another exception occurred:\n",
    "\x1b[31mProtocolError\x1b[39m                             Traceback (most recent call last)",
    (
        "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[3]\x1b[39m\x1b[32m, line 2\x1b[39m, in \x1b[36mload\x1b[39m(url)\n"
        "\x1b[32m      1\x1b[39m def load(url):\n\x1b[32m----> 2\x1b[39m     raise ProtocolError(url)\n"
    ),
    "\x1b[31mProtocolError\x1b[39m: no rows\nto be had",
]


def test_an_output_of_a_notebook_is_read_with_its_colours_frames_and_chain() -> None:
    output = {"output_type": "error", "ename": "ProtocolError", "evalue": "no rows\nto be had", "traceback": NOTEBOOK}
    found = evidence_from_outputs(
        [{"output_type": "stream", "name": "stdout", "text": "x"}, output], source="a.ipynb", cell=3
    )
    library = Frame("~/env/lib/python3.11/site-packages/urllib3/pool.py", "Pool.urlopen", "sock.recv()", own=False)
    assert found == Evidence(
        faults=(
            Fault("ConnectionResetError", "[Errno 104] Connection reset by peer", errno=104, frames=(library,)),
            Fault(
                "ProtocolError",
                "no rows\nto be had",
                frames=(Frame("Cell In[3]", "load", "raise ProtocolError(url)", own=True),),
                follows="context",
            ),
        ),
        source="a.ipynb",
        cell=3,
    )
    assert found.seen == "ProtocolError: no rows"


def test_who_asked_a_module_for_what_it_lacks_is_the_one_who_failed() -> None:
    lines = [
        "AttributeError   Traceback (most recent call last)",
        "Cell In[1], line 1\n----> 1 np.aray([1])\n",
        "File /env/lib/python3.11/site-packages/numpy/__init__.py:9, in __getattr__(attr)\n----> 9     raise AttributeError(attr)\n",
        "AttributeError: module 'numpy' has no attribute 'aray'",
    ]
    told = {"output_type": "error", "ename": "AttributeError", "evalue": "module 'numpy' has no attribute 'aray'"}
    found = evidence_from_outputs([{**told, "traceback": lines}])
    assert (found.faults[-1].own, found.faults[-1].asked) == (True, "np.aray([1])")
    assert classify(found).failure_class == "code_bug"


def test_leaving_with_words_is_the_codes_own_doing() -> None:
    output = {
        "output_type": "error",
        "ename": "SystemExit",
        "evalue": "no data for today",
        "traceback": ["SystemExit: no data"],
    }
    assert (
        evidence_from_outputs([output]).faults[-1].own,
        classify(evidence_from_outputs([output])).failure_class,
    ) == (
        True,
        "data_access",
    )


def test_outputs_without_an_error_tell_nothing() -> None:
    assert evidence_from_outputs([{"output_type": "stream", "name": "stderr", "text": "Error: no"}]) == Evidence()
    assert evidence_from_text("warning: nothing to do\n") == Evidence()


FAILING = {
    "a slip": "len(nothing)",
    "an error from another": "try:\n    open('nowhere')\nexcept OSError as error:\n    raise RuntimeError('no rows') from error",
    "a slip in a handler": "try:\n    open('nowhere')\nexcept OSError:\n    1 / 0",
    "a message of several lines": "raise RuntimeError('a\\n\\nb')",
    "no message": "raise ConnectionResetError",
    "an error of a library": "import json\njson.loads('{')",
    "an error that hides another": "try:\n    open('nowhere')\nexcept OSError:\n    raise RuntimeError('no rows') from None",
}


@pytest.mark.parametrize("source", FAILING.values(), ids=FAILING)
def test_an_error_and_its_printed_traceback_tell_the_same(source: str) -> None:
    caught, text = failed(source)
    printed = evidence_from_text(f"INFO begun\n{text}")
    assert printed == msgspec.structs.replace(
        caught, faults=tuple(msgspec.structs.replace(fault, bases=()) for fault in caught.faults)
    )
    assert classify(printed) == classify(caught)


def failed(source: str) -> tuple[Evidence, str]:
    """What running a module tells that fails, and the traceback that Python prints of it."""
    linecache.cache["/project/load.py"] = (len(source), None, source.splitlines(keepends=True), "/project/load.py")
    try:
        exec(compile(source, "/project/load.py", "exec"), {})  # noqa: S102 - our own lines
    except Exception as error:  # noqa: BLE001 - whatever fails is what is asked for
        return evidence_from_error(error), traceback.format_exc()
    raise AssertionError("nothing failed")


def test_the_classes_of_an_error_are_known_when_it_is_at_hand() -> None:
    class TooSlow(TimeoutError):
        """An error of the project's own."""

    verdict = classify(evidence_from_error(TooSlow("no answer")))
    assert (verdict.failure_class, verdict.rule) == ("transient", "answer.late")


def test_an_error_that_causes_itself_is_told_once() -> None:
    error = ValueError("a")
    error.__cause__ = RuntimeError("b")
    error.__cause__.__cause__ = error
    assert [fault.ename for fault in evidence_from_error(error).faults] == ["RuntimeError", "ValueError"]


def test_the_error_of_another_process_is_told_as_it_was_there() -> None:
    program = textwrap.dedent("""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        def half(n):
            raise ConnectionResetError(104, "reset")
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
            list(pool.map(half, [1]))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    first = evidence_from_text(done.stderr).faults[0]
    assert (first.ename, first.errno, first.frames[-1].function) == ("ConnectionResetError", 104, "half")


@pytest.mark.parametrize(
    ("told", "signal"), [("Segmentation fault", 11), ("Bus error", 7), ("Aborted", 6), ("could not acquire lock", 6)]
)
def test_what_the_interpreter_says_when_it_dies_goes_before_earlier_tracebacks(told: str, signal: int) -> None:
    text = f"{failed('len(nothing)')[1]}Fatal Python error: {told}\n\nCurrent thread 0x1 (most recent call first):\n"
    assert evidence_from_text(text) == Evidence(signal=signal)


def test_the_line_of_a_comprehension_is_that_around_it() -> None:
    lines = [
        "ValueError   Traceback (most recent call last)",
        "Cell In[1], line 2\n      1 import json\n----> 2 rows = [read(line) for line in lines]\n",
        "Cell In[1], line 2, in <listcomp>(.0)\n----> 2 raise SystemExit\n",
        "ValueError: no",
    ]
    output = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": lines}
    frames = evidence_from_outputs([output]).faults[0].frames
    assert [frame.code for frame in frames] == ["rows = [read(line) for line in lines]"] * 2


def test_the_words_of_an_error_are_its_message_and_a_name_that_somebody_chose() -> None:
    assert Fault("StepTimeout", "features").words == "Step Timeout: features"
    assert Fault("ValueError", "features").words == ": features"


@pytest.mark.parametrize(("status", "code", "signal"), [(3, 3, None), (-9, None, 9), (137, 137, 9), (255, 255, None)])
def test_an_exit_status_is_read_as_subprocess_and_as_shells_give_it(
    status: int, code: int | None, signal: int | None
) -> None:
    found = evidence_from_exit(status)
    assert (found.exit_code, found.signal, found.ended) == (code, signal, True)


def test_memory_ran_out_when_the_system_says_so_or_the_limit_was_nearly_used() -> None:
    gigabyte = 2**30
    assert evidence_from_exit(-9, oom_kills=1).out_of_memory
    assert evidence_from_exit(-9, peak_memory=gigabyte - 2**20, memory_limit=gigabyte).out_of_memory
    assert not evidence_from_exit(-9, peak_memory=gigabyte // 2, memory_limit=gigabyte).out_of_memory
    assert not evidence_from_exit(-9, peak_memory=gigabyte).out_of_memory


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("HTTP Error 503: Service Unavailable", 503),
        ("429 Client Error: Too Many Requests for url: http://x", 429),
        ("Server error '502 Bad Gateway' for url 'http://x'", 502),
        ("404, message='Not Found', url='http://x'", 404),
        ("HTTP Error: HTTP GET error on 'http://x' (HTTP 403 Forbidden)", 403),
        ("Handshake status 502 Bad Gateway", 502),
        ("too many 503 error responses", 503),
        ("GET http://x returned 504", 504),
        ("429 GET https://storage.googleapis.com/b/landing: the project exceeded the rate limit", 429),
        ("An error occurred (404) when calling the HeadObject operation: Not Found", 404),
        ("Request failed: 429 Too Many Requests", 429),
        ("got 404 from https://x/rates", 404),
        ("expected 300 values, got 429 from split", None),
        ("expected 300 rows, got 503", None),
        ("503 rows are missing", None),
        ("the query returned 503 rows", None),
        ("invalid literal for int() with base 10: 'status 503'", None),
    ],
)
def test_the_status_of_a_reply_is_found_in_the_words_of_every_client(message: str, status: int | None) -> None:
    assert evidence_from_error(RuntimeError(message)).faults[0].http == status


@given(st.text(), st.text(), st.lists(st.text()))
def test_whatever_stands_in_an_output_is_evidence(ename: str, evalue: str, lines: list[str]) -> None:
    found = evidence_from_outputs([{"output_type": "error", "ename": ename, "evalue": evalue, "traceback": lines}])
    assert (found.faults[-1].ename, found.faults[-1].evalue) == (ename, evalue)
    assert classify(found).sentence


@given(
    st.sampled_from(list(FAILING.values())),
    st.text(alphabet=st.characters(exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")),
)
def test_what_was_printed_before_a_traceback_does_not_matter(source: str, noise: str) -> None:
    _, text = failed(source)
    assert evidence_from_text(f"{noise}\n{text}") == evidence_from_text(text)
