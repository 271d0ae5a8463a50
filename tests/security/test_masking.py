"""Masking: no form of a secret is left in what a kernel publishes, however it is cut into messages, and nothing else is lost."""

from __future__ import annotations

import base64
import html
import json
import re
import time
import traceback
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from nbops.security.masking import MASKED, Filter, Mask, maskable

VALUE = "s3cr&t/\"pä\\ss'+w="
KEY = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA+x/9Zq\nshort=\nqP7wB2c1TnUoGxY/kw\n-----END KEY-----\n"

WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": str,
    "repr": repr,
    "repr in a text with other quotes": lambda text: repr(f"it's {text}"),
    "repr twice": lambda text: repr(repr(text)),
    "ascii": ascii,
    "repr of bytes": lambda text: repr(text.encode()),
    "JSON": json.dumps,
    "JSON in Unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"key": text})),
    "JSON as JavaScript": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON in capitals": lambda text: json.dumps(text).replace("\\u00e4", "\\u00E4"),
    "URL": urllib.parse.quote,
    "URL, all of it": lambda text: urllib.parse.quote(text, safe=""),
    "URL in small letters": lambda text: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(text)),
    "URL in a URL": lambda text: urllib.parse.quote(urllib.parse.quote(text)),
    "form": urllib.parse.quote_plus,
    "HTML": html.escape,
    "HTML with numbers": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
    "HTML in HTML": lambda text: html.escape(html.escape(text)),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
}


def message(kind: str, parent: str = "cell", **content: Any) -> dict[str, Any]:
    return {
        "msg_type": kind, "header": {"msg_type": kind}, "parent_header": {"msg_id": parent}, "content": content, "buffers": [],
    }  # fmt: skip


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return message("stream", name=name, text=text)


IDLE = message("status", execution_state="idle")


def published(mask: Mask, *messages: dict[str, Any]) -> dict[str, str]:
    """What each stream says in all, once the cell is over."""
    keep, told = Filter(mask), {"stdout": "", "stderr": ""}
    for one in (*messages, IDLE):
        for out in keep(one):
            if out["msg_type"] == "stream":
                told[out["content"]["name"]] += out["content"]["text"]
    return told


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_secret_is_masked_however_it_is_written(write: Callable[[str], str]) -> None:
    masked = Mask([VALUE]).text(f"before {write(VALUE)} after")
    assert masked.count(MASKED) == 1
    # Which quotes surround it depends on what is in it.
    assert re.sub(r"['\"\\]", "", masked.replace(MASKED, "")) == re.sub(r"['\"\\]", "", f"before {write('')} after")


@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("after", ["", "x", "xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_a_secret_is_masked_in_base64_wherever_it_begins(
    before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    secret = VALUE * 6
    form = encode(f"{before}{secret}{after}".encode()).decode()
    for text in (form, form.rstrip("=\n"), json.dumps(form)):
        masked = Mask([secret]).text(text)
        # At most what belongs to the neighbours, and one character that also has to.
        assert len(masked.strip('"')) <= len(MASKED) + 3 + 4 + 4
        assert MASKED in masked


def test_colours_and_tags_do_not_hide_a_secret_and_stay() -> None:
    mask = Mask(["hunter22"])
    assert mask.text("\x1b[31m'hun\x1b[1m\x1b[0mter22'\x1b[0m!") == f"\x1b[31m'{MASKED}\x1b[1m\x1b[0m'\x1b[0m!"
    assert mask.text("<p>hun<b class='x'>ter</b>22</p><i>") == f"<p>{MASKED}<b class='x'></b></p><i>"
    assert mask.text('<a href="/hunter22">') == f'<a href="/{MASKED}">'
    assert mask.text("if a < b: \x1b[1mnothing\x1b[0m") == "if a < b: \x1b[1mnothing\x1b[0m"


def test_each_telling_line_of_a_key_is_masked() -> None:
    mask = Mask([KEY])
    assert mask.text(KEY) == f"{MASKED}\n"
    for line in KEY.splitlines():
        assert mask.text(f"got {line}.") == ("got short=." if line == "short=" else f"got {MASKED}.")
    assert mask.text(json.dumps(KEY.splitlines())).count(MASKED) == 4


def test_a_value_that_begins_with_another_is_masked_whole() -> None:
    assert Mask(["hunter", "hunter22"]).text("hunter22 hunter") == f"{MASKED} {MASKED}"


def test_what_is_around_a_value_does_not_matter() -> None:
    assert Mask(["  hunter22\n"]).text("hunter22!") == f"{MASKED}!"


@pytest.mark.parametrize(
    ("value", "fits"), [("abcd", True), ("abc", False), ("", False), (" abc ", False), ("    \n", False)]
)
def test_what_is_too_short_cannot_be_masked(value: str, fits: bool) -> None:
    assert maskable(value) is fits


def test_without_secrets_everything_is_the_same_object() -> None:
    mask, text, value, given = Mask(), "text", {"a": [1]}, stream("text")
    assert not mask
    assert mask.text(text) is text
    assert mask.value(value) is value
    assert Filter(mask)(given)[0] is given


def test_values_are_masked_within_lists_and_dicts_keys_and_bytes_but_not_in_pixels() -> None:
    form = base64.b64encode(b"hunter22").decode()
    told = {
        "text/plain": "'hunter22'", "application/json": {"hunter22": ["hunter22", 1, None, {"deep": "hunter22"}]},
        "image/svg+xml": "<svg>hunter22</svg>", "image/png": form, "buffer": memoryview(b"\xffhunter22\xfe"),
    }  # fmt: skip
    assert Mask(["hunter22"]).value(told) == {
        "text/plain": f"'{MASKED}'", "application/json": {MASKED: [MASKED, 1, None, {"deep": MASKED}]},
        "image/svg+xml": f"<svg>{MASKED}</svg>", "image/png": form, "buffer": b"\xff" + MASKED.encode() + b"\xfe",
    }  # fmt: skip


def test_a_mask_does_not_tell_what_it_masks() -> None:
    assert "hunter22" not in repr(Mask(["hunter22"])) + str(Mask(["hunter22"]))


@pytest.mark.parametrize("at", range(1, 8))
def test_a_secret_in_two_messages_is_masked(at: int) -> None:
    mask = Mask(["hunter22"])
    assert published(mask, stream("a hunter22"[: at + 2]), stream("hunter22"[at:] + " b"))["stdout"] == f"a {MASKED} b"


def test_a_secret_in_many_messages_with_others_between_is_masked() -> None:
    pieces = [
        one
        for char in "-hunter22-"
        for one in (stream(char), stream("err\n", "stderr"), message("display_data", data={}))
    ]
    assert published(Mask(["hunter22"]), *pieces) == {"stdout": f"-{MASKED}-", "stderr": "err\n" * 10}


def test_a_secret_in_colours_in_two_messages_is_masked() -> None:
    for at in range(1, 16):
        text = "hun\x1b[31mter22\x1b[0m"
        assert (
            published(Mask(["hunter22"]), stream(text[:at]), stream(text[at:]))["stdout"] == f"{MASKED}\x1b[31m\x1b[0m"
        )


def test_a_secret_in_broken_lines_of_base64_is_masked_wherever_they_are_cut_into_messages() -> None:
    value = VALUE * 6
    text = json.dumps(base64.encodebytes(value.encode()).decode())
    for at in range(1, len(text)):
        told = published(Mask([value]), stream(text[:at]), stream(text[at:]))["stdout"]
        assert len(told) < len(MASKED) + 8, at


def test_only_the_possible_beginning_of_a_secret_waits_and_it_comes_when_it_was_none() -> None:
    keep = Filter(Mask(["hunter22"]))
    assert [one["content"]["text"] for one in keep(stream("the hunt"))] == ["the "]
    assert keep(stream("er")) == []
    assert [one["content"]["text"] for one in keep(stream("s leave. hun"))] == ["hunters leave. "]
    assert [(one["msg_type"], one["content"].get("text")) for one in keep(IDLE)] == [
        ("stream", "hun"),
        ("status", None),
    ]
    assert len(keep(IDLE)) == 1


def test_a_secret_that_is_cut_short_is_masked_when_most_of_it_is_there() -> None:
    assert published(Mask(["hunter22hunter22"]), stream("a hunter22hunt"))["stdout"] == f"a {MASKED}"


def test_what_is_cleared_does_not_come_back() -> None:
    assert (
        published(Mask(["hunter22"]), stream("hunt"), message("clear_output", wait=True), stream("x"))["stdout"] == "x"
    )


def test_each_cell_has_its_own_stream() -> None:
    keep = Filter(Mask(["hunter22"]))
    keep(message("stream", "one", name="stdout", text="hunt"))
    other = keep(message("stream", "two", name="stdout", text="er22"))
    assert [one["content"]["text"] for one in other] == ["er22"]


def test_errors_results_updates_and_widgets_are_masked_and_the_message_itself_is_not_changed() -> None:
    keep = Filter(Mask(["hunter22"]))
    try:
        raise KeyError("hunter22")
    except KeyError as error:
        given = message("error", ename="KeyError", evalue=str(error), traceback=traceback.format_exception(error))
    for one in (
        given,
        message("execute_result", data={"text/plain": "'hunter22'"}, metadata={"note": "hunter22"}),
        message("update_display_data", data={"text/html": "<b>hunter22</b>"}, transient={"display_id": "x"}),
        message("comm_open", data={"state": {"value": "hunter22"}}),
    ):
        (out,) = keep(one)
        assert "hunter22" in json.dumps(one)
        assert "hunter22" not in json.dumps(out)
        assert MASKED in json.dumps(out, ensure_ascii=False)
        assert out["header"] == one["header"]
    (out,) = keep(message("comm_msg", data={}) | {"buffers": [memoryview(b"a hunter22")]})
    assert out["buffers"] == [f"a {MASKED}".encode()]


def test_masking_is_linear_in_the_text_also_for_texts_made_to_be_slow() -> None:
    mask = Mask(['"\\"\\\\pass"<&', KEY])
    for unit in ("\\", '\\"', "<a", "&amp;", "%25", "\x1b[", "-", "-----BEGIN KEY-----\nMIIE", "QSB"):
        times = []
        for size in (20_000, 80_000):
            text = unit * (size // len(unit))
            began = time.process_time()
            mask.text(text)
            mask.begun(text)
            times.append(time.process_time() - began)
        # Four times the text; sixteen times the time would be quadratic.
        assert times[1] < 10 * max(times[0], 0.005), unit
