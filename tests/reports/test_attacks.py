"""A hostile notebook against the report: what the standard library's reader finds, and what a browser does."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import v4

from nbops.records import Dataset
from nbops.reports.page import page
from nbops.reports.provenance import KeyMetric, Parameter, Provenance
from nbops.reports.sanitize import clean

RUN = "document.title='ran'"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"<SCRIPT SRC='HOST/s.js'></SCRIPT ><scr<script>ipt>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'<img src="data:image/png;base64,AA" onload="{RUN}" srcset="HOST/set 2x">',
    '<img src="HOST/picture.png"><img src="//HOST/p"><input type=image src=HOST/i>',
    f'<svg onload="{RUN}"><script>{RUN}</script><image href="HOST/a" /><use xlink:href="HOST/b#c" /></svg>',
    '<svg><rect width="9" height="9" fill="url(HOST/fill#a)" filter="url(HOST/f#a)" style="fill:url(HOST/g)"></rect></svg>',
    r'<svg><rect width="9" height="9" stroke="\75rl(HOST/s#a)" fill="src(x)" mask="url(x)"></rect></svg>',
    f'<svg><a><set attributeName=href to="javascript:{RUN}"></set><animate attributeName=href values="javascript:{RUN}" /></a></svg>',
    f'<a href="javascript:{RUN}" ping="HOST/ping">a</a><a href=" java\tscript:{RUN}">b</a><a href="data:text/html,x">c</a>',
    f'<iframe src="javascript:parent.{RUN}" srcdoc="<script>parent.{RUN}</script>"></iframe><iframe src=HOST/frame></iframe>',
    '<meta http-equiv=refresh content="0;url=HOST/refresh"><base href="HOST/base/"><link rel=stylesheet href=HOST/css>',
    "<style>@import 'HOST/import'; body { background: url(HOST/style) } header { display: none }</style>",
    '<div class="card failure" id="failure" style="position:fixed;inset:0;background:url(HOST/div)">Approved</div>',
    f'<form action="HOST/form"><button formaction="javascript:{RUN}" autofocus onfocus="{RUN}">b</button></form>',
    f'<object data="HOST/object"></object><embed src="HOST/embed"><video src=HOST/v poster=HOST/p onerror="{RUN}"></video>',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={RUN}&gt;">',
    f'<svg></p><style><a id="</style><img src=1 onerror={RUN}>">',
    f"<svg><title><style><img src=x onerror={RUN}></style></title><desc><img src=HOST/desc></desc></svg>",
    f'<noscript><p title="</noscript><img src=x onerror={RUN}>"></noscript><details ontoggle="{RUN}" open>d</details>',
    f'</main></div></section></pre></body><script>{RUN}</script><body onload="{RUN}"><b>after</b>',
    f"{{{{ 7*7 }}}}{{% raw %}}<!-- --!><script>{RUN}</script> -->]]><![CDATA[<script>{RUN}</script>",
    f"\x1b[31m<b>&\x1b[0mlt;script>\x1b]8;;javascript:{RUN}\x07{RUN}\x1b]8;;\x07\x1b[<script>{RUN}</script>",
    f'`</code><script>{RUN}</script>` !["onerror={RUN} x="](x) [a](javascript:{RUN}) $<script>{RUN}</script>$',
)


def _words(text: str) -> set[str]:
    return set(text.split())


READABLE = _words("""
    a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i
    img ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th thead time tr u ul
    var wbr svg g path line circle ellipse rect polyline polygon text tspan title desc
""")
FRAME = _words("html head meta title style body header nav main footer")
ADDRESSES = _words("href src srcset action formaction poster data ping background xlink:href srcdoc")


class Reader(HTMLParser):
    """Collects the elements of a text as the standard library reads it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))


def dangers(html: str, allowed: set[str] = READABLE) -> list[str]:
    """Whatever in `html` could run, load, restyle or send. A link that waits for a click is not among it."""
    found = []
    for tag, attributes in Reader(html).elements:
        found += [f"<{tag}>"] if tag not in allowed else []
        for name, value in attributes.items():
            harmless = (
                (tag == "a" and name == "href" and re.match(r"#|https?://|mailto:", value, re.IGNORECASE))
                or (tag == "img" and name == "src" and re.match(r"data:image/(png|jpeg|gif|webp|svg\+xml)[;,]", value, re.IGNORECASE))
            )  # fmt: skip
            words = name in {"title", "alt", "aria-label", "id", "content", *ADDRESSES}
            if (
                name.startswith("on")
                or (name in ADDRESSES and not harmless)
                or (name == "style" and not re.fullmatch(r"text-align: (left|right|center);", value))
                or (not words and name != "style" and re.search(r"url\(|[\\<]|script:", value, re.IGNORECASE))
            ):
                found.append(f"<{tag} {name}={value!r}>")
    return found


def hostile(*payloads: str) -> Any:
    """A valid notebook that says each payload wherever a notebook can say something."""
    cells = []
    for text in payloads:
        display = [
            v4.new_output("display_data", {mime: text}, metadata={"alt": text, "width": text, mime: {"alt": text}})
            for mime in (
                "text/html", "text/markdown", "text/latex", "text/plain", "image/svg+xml", "image/png", "image/gif",
                "application/javascript", "application/vnd.jupyter.widget-view+json",
            )
        ]  # fmt: skip
        printed = [v4.new_output("stream", name=name, text=text) for name in ("stdout", "stderr")]
        error = v4.new_output("error", ename=text, evalue=text, traceback=[text, text])
        tags = [re.sub(",", ";", text)]
        cells += [
            v4.new_markdown_cell(
                f"# {text}\n\n{text}\n\n|{text}|\n|-|\n|{text}|",
                metadata={"tags": tags, "name": " ".join(text.split())},
            ),
            v4.new_code_cell(text, outputs=[*printed, *display, error], metadata={"tags": tags, "alt": text}),
            v4.new_markdown_cell(
                f"![{text}](attachment:a) ![](attachment:gone)",
                attachments={"a": {"text/html": text}, text: {"image/png": text}},
            ),
            v4.new_raw_cell(text, metadata={"raw_mimetype": "text/html"}),
        ]
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata.title = payloads[0]
    notebook.metadata.widgets = {
        "application/vnd.jupyter.widget-state+json": {"state": {"x": payloads[0]}, "version_major": 2}
    }
    return notebook


def claimed(text: str) -> Provenance:
    """What a store would say whose every name is `text`."""
    return Provenance(
        run_id=text, run_name=text, experiment=text, status="failed", cause=text, actor=text, models=(text,), notebook=text,
        commit=text, environment=text, parameters=(Parameter(name=text, value=text, changed=True),),
        metrics=(KeyMetric(name=text, value=1.0, unit=text),),
        inputs=(Dataset(name=text, digest=text, source=text, rows=1, columns={}),),
    )  # fmt: skip


def test_the_reader_of_these_tests_sees_the_danger_before_it_is_cleaned() -> None:
    assert sum(bool(dangers(payload)) for payload in PAYLOADS) > 20


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_sanitizer_alone_leaves_nothing_that_runs_loads_or_restyles(payload: str) -> None:
    assert dangers(clean(payload)) == []
    assert dangers(clean(f"<table><td>{payload}")) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_said_everywhere_in_notebook_and_store_stays_text(payload: str) -> None:
    html = page(hostile(payload), title=payload, provenance=claimed(payload))

    styles = [tag for tag, _ in Reader(html).elements if tag == "style"]
    assert styles == ["style"]
    assert dangers(html, READABLE | FRAME) == []
    assert html.count("</main>") == html.count("</html>") == 1


def test_the_page_forbids_by_policy_what_the_sanitizer_should_have_removed() -> None:
    metas = [attributes for tag, attributes in Reader(page(hostile(*PAYLOADS))).elements if tag == "meta"]
    policy = next(meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy")

    assert policy.split("; ")[:3] == ["default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"]
    assert not any("refresh" in meta.values() for meta in metas)


def test_a_notebook_cannot_speak_with_the_voice_of_the_page() -> None:
    forged = '<section class="card"><p class="caveat" id="failure">Approved</p></section>'
    html = page(v4.new_notebook(cells=[v4.new_markdown_cell(forged)]))

    assert '<section><p id="n-failure">Approved</p></section>' in html


_names = st.sampled_from(
    sorted(
        _words("""
        script style svg math title desc textarea template p a img table td mtext mglyph select noscript iframe foreignObject
        annotation-xml form pre div h1 details text path SCRIPT sVg
    """)
    )
)
_values = st.sampled_from([
    RUN, f"javascript:{RUN}", "HOST/x", "url(HOST/x)", "data:text/html,<script>", "data:image/png;base64,AA", "#a", "text-align:left",
    '"', "</style>", "--&gt;", "text/html", "&#106;avascript:1", "\\75rl(x)", "text-align:left;background:url(x)",
])  # fmt: skip
_attributes = st.tuples(
    st.sampled_from(
        ["onerror", "href", "src", "style", "fill", "id", "xlink:href", "d", "title", "class", "encoding", "srcset"]
    ),
    _values,
)
_tokens = st.one_of(
    st.builds(lambda name, attribute: f'<{name} {attribute[0]}="{attribute[1]}">', _names, _attributes),
    st.builds(lambda name, attribute: f"<{name}/{attribute[0]}={attribute[1]}>", _names, _attributes),
    st.builds("</{}>".format, _names),
    st.sampled_from(
        ["<!--", "-->", "--!>", "<![CDATA[", "]]>", "\x00", "`", "$$", "\n\n", "|", "<", "&lt;", "\n# ", "![", "]("]
    ),
    st.text(max_size=4),
)
_markup = st.lists(_tokens, max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(_markup)
def test_whatever_is_cleaned_is_safe_and_reads_as_it_stands(markup: str) -> None:
    once = clean(markup)

    assert dangers(once) == []
    assert clean(once) == once


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_markup.filter(str.strip))
def test_whatever_a_notebook_says_its_page_is_safe_and_whole(markup: str) -> None:
    html = page(hostile(markup))

    assert dangers(html, READABLE | FRAME) == []
    assert html.count("</main>") == html.count("</html>") == 1


class _Listener(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  named so by the standard library
        pass


@pytest.fixture
def host() -> Iterator[tuple[str, list[str]]]:
    """A server of the attacker's, and what it was asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Listener", (_Listener,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def _opened(html: str, folder: Path) -> str:
    """The title after a browser has opened the page without its policy."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not browser:
        pytest.skip("no Chromium on the PATH")
    bare, policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert policies <= 1
    (folder / "page.html").write_text(bare)
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=4000",
        f"--user-data-dir={folder / 'profile'}",
    ]
    dom = subprocess.run(
        [browser, *options, "--dump-dom", str(folder / "page.html")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    return str(re.findall(r"<title>(.*?)</title>", dom)[0])


def test_a_browser_runs_and_fetches_nothing_even_without_the_policy(
    host: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = host
    payloads = [payload.replace("HOST", address) for payload in PAYLOADS]

    title = _opened(page(hostile(*payloads), title="untouched"), tmp_path)

    assert (title, asked) == ("untouched", [])


def test_a_browser_runs_and_fetches_the_same_payloads_when_they_are_not_cleaned(
    host: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = host
    body = "".join(payload.replace("HOST", address) for payload in PAYLOADS[:8])

    assert _opened(f"<title>untouched</title>{body}", tmp_path) == "ran"
    assert "/picture.png" in asked
