"""Whatever a secret is, however it is written and wherever it is cut into messages: it does not come out of a mask."""

from __future__ import annotations

import base64
import html
import json
import random
import string
import urllib.parse
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbops.security.masking import MASKED, Filter, Mask, maskable
from tests.examples import some

SECRETS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="•\x1b"), min_size=4, max_size=40),
    st.text("\"'\\/\n\t &<>%+=_-.äß😀ab7n", min_size=4, max_size=30),
    st.text(string.ascii_letters + string.digits + "+/=_-", min_size=8, max_size=60),
    st.lists(st.text(string.ascii_letters + "+/=", min_size=1, max_size=20), min_size=2, max_size=4).map("\n".join),
).filter(maskable)  # fmt: skip

# What surrounds a secret never is a part of one.
AROUND = st.text("¦§", max_size=3)


def _inner(text: str) -> str:
    return json.dumps(text)[1:-1]


def _python(text: str) -> str:
    return repr(text)[1:-1]


WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": str,
    "repr": _python,
    "repr beside a quote": lambda text: repr(f"'\"{text}")[4:-1],
    "repr twice": lambda text: _python(_python(text)),
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "JSON": _inner,
    "JSON in Unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: _inner(_inner(text)),
    "JSON in repr": lambda text: _python(_inner(text)),
    "URL": urllib.parse.quote,
    "URL, all of it": lambda text: urllib.parse.quote(text, safe=""),
    "form": urllib.parse.quote_plus,
    "URL in a URL": lambda text: urllib.parse.quote(urllib.parse.quote(text)),
    "HTML": html.escape,
    "HTML with numbers": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
    "HTML in JSON": lambda text: _inner(html.escape(text)),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base64": lambda text: _base64(text, 0),
    "base64 at 1": lambda text: _base64(text, 1),
    "base64 at 2": lambda text: _base64(text, 2),
}


def _base64(text: str, before: int) -> str:
    """What base64 makes of a text behind some bytes, from the first character that says nothing of them."""
    return base64.b64encode(b"\0" * before + text.encode()).decode()[-(-8 * before // 6) :].rstrip("=")


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {
        "msg_type": "stream", "header": {}, "parent_header": {"msg_id": "1"}, "content": {"name": name, "text": text}, "buffers": [],
    }  # fmt: skip


IDLE = {
    "msg_type": "status",
    "header": {},
    "parent_header": {"msg_id": "1"},
    "content": {"execution_state": "idle"},
    "buffers": [],
}


def published(mask: Mask, text: str, cuts: list[int], noise: bool) -> str:
    keep, told = Filter(mask), []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        for one in (stream(text[start:end]), *([stream("noise\n", "stderr")] if noise else [])):
            told += keep(one)
    told += keep(IDLE)
    return "".join([one["content"]["text"] for one in told if one["content"].get("name") == "stdout"])


@settings(max_examples=some(150), deadline=None)
@given(secret=SECRETS, before=AROUND, after=AROUND)
@example(secret="\\\\n\\", before="", after="")
@example(secret="'\\'\"", before="", after="")
def test_no_form_of_a_secret_is_left_in_a_text(secret: str, before: str, after: str) -> None:
    mask, secret = Mask([secret]), secret.strip()
    for name, write in WRITTEN.items():
        form = write(secret)
        masked = mask.text(f"{before}{form}{after}")
        assert form not in masked, name
        assert MASKED in masked, name
        assert masked.startswith(before), name
        assert masked.endswith(after), name
        assert mask.text(masked) == masked, name


@settings(max_examples=some(150), deadline=None)
@given(secret=SECRETS, before=AROUND, after=AROUND, seed=st.integers(0, 1 << 30), noise=st.booleans())
@example(secret="\\\\n\\", before="", after="", seed=1, noise=False)
def test_no_form_is_left_wherever_it_is_cut_into_messages(
    secret: str, before: str, after: str, seed: int, noise: bool
) -> None:
    mask, secret, chance = Mask([secret]), secret.strip(), random.Random(seed)
    for name, write in WRITTEN.items():
        form = write(secret)
        text = f"{before}{form}{after}{form}"
        cuts = sorted(chance.choices(range(len(text) + 1), k=chance.randint(1, 6)))
        told = published(mask, text, cuts, noise)
        assert form not in told, (name, cuts)
        assert told.startswith(before), (name, cuts)
        assert after in told, (name, cuts)


@settings(max_examples=some(100), deadline=None)
@given(secret=SECRETS, text=st.text("ab<> &;%x0\\\"'\x1b[1m\n"), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_what_holds_no_secret_comes_out_as_it_was(secret: str, text: str, cuts: list[int]) -> None:
    mask = Mask([f"§{secret}"])
    assert mask.text(text) == text
    assert published(mask, text, sorted(min(cut, len(text)) for cut in cuts), noise=False) == text


@settings(max_examples=some(60), deadline=None)
@given(secret=SECRETS, data=st.data())
def test_colours_anywhere_in_a_secret_do_not_hide_it(secret: str, data: st.DataObject) -> None:
    mask, secret = Mask([secret]), secret.strip()
    at = data.draw(st.integers(1, len(secret) - 1))
    colour = data.draw(st.sampled_from(["\x1b[0m", "\x1b[38;5;28m", "\x1b[1m\x1b[31m"]))
    text = f"¦{secret[:at]}{colour}{secret[at:]}¦"
    masked = mask.text(text)
    assert secret not in masked.replace(colour, "")
    assert masked.count("\x1b") == text.count("\x1b")
    cut = data.draw(st.integers(0, len(text)))
    assert secret not in published(mask, text, [cut], noise=False).replace(colour, "")
