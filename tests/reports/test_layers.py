"""Over 300 attacks in a browser: the sanitizer holds without the policy, the policy without it, and what is meant to be read stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from nbformat import NotebookNode, v4

from nbops.records import Dataset
from nbops.render import svg
from nbops.render.html import table
from nbops.reports import cells
from nbops.reports.exporter import NbopsExporter
from nbops.reports.page import page
from nbops.reports.provenance import KeyMetric, Parameter, Provenance

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

# What each family of attacks is made of; RUN is the code that tells that it ran, OUT an address that is not this machine's.
FAMILIES = {
    "script": "<script>RUN</script>",
    "script in capitals, unclosed": "<SCRIPT>RUN</SCRIPT foo><scr<script>ipt>RUN</script>",
    "module": '<script type="module">RUN</script>',
    "script from a data address": '<script src="data:text/javascript,RUN"></script>',
    "script out of svg": '<svg><script>RUN</script><script href="data:text/javascript,RUN" /></svg>',
    "error of a picture": '<img src="data:,x" onerror="RUN">',
    "load of a picture without quotes": "<img/src=data:image/gif;base64,R0lGODlhAQABAAAAACw= onload=RUN>",
    "load of svg": '<svg onload="RUN"><g onload="RUN"></g></svg>',
    "animation of svg": '<svg><animate onbegin="RUN" attributeName="x" dur="1s"></animate><set onbegin="RUN"></set></svg>',
    "address that an animation sets": '<svg><a><animate attributeName="href" values="javascript:RUN" /><text y="9">x</text></a></svg>',
    "picture in svg": '<svg><image href="data:,x" onerror="RUN"></image></svg>',
    "foreign object": '<svg><foreignObject><img src="data:,x" onerror="RUN"></foreignObject></svg>',
    "link to a script": '<a href="javascript:RUN">x</a>',
    "link with a tab and an entity": '<a href="java&#x09;script:RUN">x</a><a href="&#1;javascript:RUN">x</a>',
    "link to a page in data": '<a href="data:text/html,<script>RUN</script>" target=_blank>x</a>',
    "frame with a document": '<iframe srcdoc="<script>parent.RUN</script>"></iframe>',
    "frame with a script": '<iframe src="javascript:parent.RUN"></iframe>',
    "object and embed": '<object data="javascript:RUN" onerror="RUN"></object><embed src="javascript:RUN">',
    "details that toggle": '<details open ontoggle="RUN">d</details>',
    "focus by itself": '<input autofocus onfocus="RUN"><button autofocus onfocus="RUN">b</button>',
    "button of a form": '<form action="javascript:RUN"><button>x</button></form>',
    "video without a source": '<video><source onerror="RUN"></video><audio src="data:,x" onerror="RUN"></audio>',
    "refresh of the page": '<meta http-equiv="refresh" content="0;url=javascript:RUN"><base href="OUT/"><link rel=stylesheet href="OUT/c">',
    "style with an animation": '<style>@keyframes k{}</style><p style="animation:k 1ms" onanimationstart="RUN">p</p>',
    "end of the page's own elements": "</title></style></pre></code></p></div></section></main></body><script>RUN</script>",
    "end of an attribute": '"><script>RUN</script><img src="data:,x" onerror="RUN" x="',
    "end of a quoted attribute": "' autofocus onfocus='RUN' onload='RUN' onclick='RUN' x='",
    "comment and section": "<!--><script>RUN</script--><!-- --!><script>RUN</script> -->]]><![CDATA[<script>RUN</script>]]>",
    "mutation by mathematics": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=RUN&gt;">',
    "mutation by svg": '<svg></p><style><a id="</style><img src=1 onerror=RUN>">',
    "noscript": '<noscript><p title="</noscript><img src=data:,x onerror=RUN>"></noscript>',
    "template of the page": "{{ 7*7 }}{% raw %}{{ ''.__class__ }}<script>RUN</script>",
    "half an entity and a terminal": "&lt;script&gt;RUN\x1b[31m<b>&\x1b[0mlt;script>\x1b[<script>RUN</script>",
    "markdown": '[x](javascript:RUN) ![x](data:,x" onerror="RUN) <javascript:RUN> `</code><script>RUN</script>` $<script>RUN</script>$',
}  # fmt: skip

TABLE = table(["carrier", "mae"], [["United", 8.6], ["Delta", 6.6]])
PLOT = svg.line([svg.Line("mae", [8.6, 9.1, 14.5])], x_label="week", title="Error")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def display(data: dict[str, Any], **metadata: Any) -> Any:
    return v4.new_code_cell("x", outputs=[v4.new_output("display_data", data, metadata=metadata)])


def bystanders() -> Any:
    """What is meant to be read."""
    return display({"text/html": TABLE + PLOT})


def places(text: str) -> dict[str, list[NotebookNode]]:
    """The cells that say `text`, by where in a notebook they say it. JSON takes any text, and so do pages."""
    error = v4.new_output("error", ename=text, evalue=text, traceback=[text, text])
    code = v4.new_code_cell(
        text, metadata={"tags": ["show-code", text.replace(",", ";")], "name": " ".join(text.split())}
    )
    code.id = "a"  # a cell's own id is checked by its schema; what could be said there is said by an anchor below
    return {
        "markdown": [v4.new_markdown_cell(f"# {text}\n\n{text}\n\n|{text}|\n|-|\n|{text}|\n\n<h2 id='{text}'>h</h2>")],
        "HTML": [display({"text/html": f"<table><tr><td>{text}</td></tr></table>"}), display({"text/html": text})],
        "SVG": [display({"text/html": f"<svg>{text}</svg>"}), display({"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{text}</svg>"})],
        "LaTeX": [display({"text/latex": f"$${text}$$"}), display({"text/markdown": f"$${text}$$"})],
        "error": [v4.new_code_cell("x", outputs=[error])],
        "code, tags and names": [code],
        "streams": [v4.new_code_cell("x", outputs=[v4.new_output("stream", name=name, text=text) for name in ("stdout", "stderr")])],
        "attachments": [v4.new_markdown_cell(f"![{text}](attachment:a) ![](attachment:b)", attachments={
            "a": {text: "AA"}, "b": {"image/png": text}, text: {"image/png": text}})],
        "widget state": [display({"application/vnd.jupyter.widget-view+json": {"model_id": text}, "text/plain": text})],
        "output metadata": [display({"image/png": text}, **{"image/png": {"alt": text, "width": text}})],
    }  # fmt: skip


def claimed(text: str) -> Provenance:
    """What a store would say whose every name, tag and metric is `text`."""
    return Provenance(
        run_id=text, run_name=text, experiment=text, status="failed", cause=text, actor=text, models=(text,), notebook=text,
        commit=text, environment=text, doubt=text, parameters=(Parameter(name=text, value=text, changed=True),),
        metrics=(KeyMetric(name=text, value=1.0, unit=text),),
        inputs=(Dataset(name=text, digest=text, source=text, rows=1, columns={}),),
    )  # fmt: skip


class Attack:
    """A payload in one place; `number` is what it leaves in the page when it runs."""

    def __init__(self, number: int, family: str, place: str) -> None:
        self.number = number
        self.family = family
        self.place = place
        # Without quotes, spaces and commas: those would end it where it stands in an attribute or in Markdown.
        self.text = FAMILIES[family].replace("RUN", f"report({number})").replace("OUT", "https://attacker.example")


PLACES = [*places("x"), "title", "run"]
ATTACKS = [Attack(i, *pair) for i, pair in enumerate((family, place) for family in FAMILIES for place in PLACES)]


def notebook(attacks: list[Attack]) -> Any:
    """One notebook with all of a family's attacks, and what is meant to be read before and behind each."""
    said: list[NotebookNode] = [bystanders()]
    metadata: dict[str, Any] = {}
    for attack in attacks:
        said += [*places(attack.text).get(attack.place, []), bystanders()]
        metadata[attack.text] = {"state": {"m": {"state": {"value": attack.text}}}, "version_major": 2}
    state = {
        "application/vnd.jupyter.widget-state+json": metadata,
        "title": attacks[0].text,
        "authors": [{"name": attacks[0].text}],
    }
    return v4.new_notebook(cells=said, metadata={"widgets": state, "papermill": metadata, **metadata})


def rendered(attacks: list[Attack]) -> str:
    by_place = {attack.place: attack.text for attack in attacks}
    return page(notebook(attacks), title=by_place["title"], provenance=claimed(by_place["run"]))


class Opened:
    """What happened when pages were opened and everything on them was clicked."""

    def __init__(self) -> None:
        self.ran: set[int] = set()
        self.asked: list[str] = []
        self.seen: list[tuple[int, ...]] = []


ADDRESS = "http://report.test/"


def opened(browser: Browser, pages: list[str]) -> Opened:
    """Open each page, click what can be clicked, and note what ran and what was asked for."""
    from playwright.sync_api import Error

    found = Opened()
    context = browser.new_context()
    context.expose_binding("report", lambda _, number: found.ran.add(number))

    def answer(route: Route) -> None:
        place = route.request.url
        if place.startswith(ADDRESS) and place.removeprefix(ADDRESS).isdigit():
            route.fulfill(body=pages[int(place.removeprefix(ADDRESS))], content_type="text/html; charset=utf-8")
        else:
            found.asked.append(place)
            route.abort()

    context.route("**/*", answer)
    view = context.new_page()
    for number in range(len(pages)):
        try:
            view.goto(f"{ADDRESS}{number}")
        except Error:  # an attack was just leading it elsewhere
            view = context.new_page()
            view.goto(f"{ADDRESS}{number}")
        found.seen.append(tuple(view.evaluate(LOOK_AND_CLICK)))
        view.wait_for_timeout(20)
    context.close()
    return found


# Tables and plots that can be seen; then everything is clicked that may do something.
LOOK_AND_CLICK = """() => {
    const seen = (selector, words) => [...document.querySelectorAll(selector)].filter(
        (element) => element.checkVisibility() && element.getBoundingClientRect().height > 5 && element.textContent.includes(words)
    ).length;
    const found = [seen("table", "United8.6Delta6.6"), seen("svg", "week")];
    for (const element of document.querySelectorAll("a, button, summary, [onclick], [onfocus], svg text")) {
        element.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}));
    }
    return found;
}"""


def families() -> list[list[Attack]]:
    return [[attack for attack in ATTACKS if attack.family == family] for family in FAMILIES]


def test_there_are_300_attacks_that_differ() -> None:
    assert len({(attack.place, attack.text) for attack in ATTACKS}) == len(ATTACKS) >= 300


def test_without_the_policy_the_sanitizer_alone_lets_nothing_run_or_be_asked_for(browser: Browser) -> None:
    pages = [POLICY.sub("", rendered(attacks)) for attacks in families()]
    found = opened(browser, pages)

    assert (found.ran, found.asked) == (set(), [])
    assert not any(POLICY.search(html) for html in pages)
    # Tables and plots stay, all of them, whatever stands between.
    assert set(found.seen) == {(len(PLACES) + 1, len(PLACES) + 1)}


def test_without_the_sanitizer_the_policy_alone_lets_nothing_run_or_be_loaded(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "clean", lambda html: html)
    found = opened(browser, [rendered(attacks) for attacks in families()])

    assert (found.ran, found.asked) == (set(), [])


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sanitizer nor escaping: whatever a notebook or the store says is markup."""
    monkeypatch.setattr(cells, "clean", lambda html: html)
    escaping = NbopsExporter._create_environment  # noqa: SLF001 - the one place where it is turned on

    def unescaped(self: NbopsExporter) -> Any:
        environment = escaping(self)
        environment.autoescape = False
        return environment

    monkeypatch.setattr(NbopsExporter, "_create_environment", unescaped)


@pytest.mark.long
def test_without_sanitizer_and_escaping_the_policy_still_lets_nothing_run(browser: Browser, trusting: None) -> None:
    assert opened(browser, [rendered(attacks) for attacks in families()]).ran == set()


@pytest.mark.long
def test_with_no_layer_at_all_nearly_every_family_of_attacks_runs(browser: Browser, trusting: None) -> None:
    found = opened(browser, [POLICY.sub("", rendered(attacks)) for attacks in families()])

    # The others wait for a sanitizer that they can fool, or for a browser that is not this one.
    assert len({attack.family for attack in ATTACKS if attack.number in found.ran}) >= len(FAMILIES) * 3 // 4
