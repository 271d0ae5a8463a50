"""HTML that a notebook made, cut down to what a reader needs.

In flows any text, however hostile; out flows a balanced fragment of tables, prose, pictures and plots with no script or handler, no
style but a text's alignment, no picture that is not in the text itself, no id or class that our own page uses. It holds without a
Content-Security-Policy, which is a second layer.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from html import escape

import nh3


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PROSE = _words("""
    a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i
    img ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th thead time tr u ul
    var wbr
""")
_PLOT = _words("svg g path line circle ellipse rect polyline polygon text tspan title desc")
# Their content is code, a fallback for something that is not shown, or a shape that is only drawn when referred to.
_DROPPED_WHOLE = _words("""
    script style iframe object embed applet noscript noembed noframes template audio video canvas select textarea button
    math defs symbol marker mask pattern clipPath linearGradient radialGradient filter foreignObject metadata
""")
_REFERENCES = _words("aria-labelledby aria-describedby")
_DRAWING = _words("""
    viewBox preserveAspectRatio width height x y x1 y1 x2 y2 dx dy cx cy r rx ry d points pathLength transform rotate textLength
    lengthAdjust fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset
    stroke-linecap stroke-linejoin stroke-miterlimit opacity color visibility vector-effect shape-rendering paint-order
    text-anchor dominant-baseline alignment-baseline baseline-shift font-family font-size font-style font-weight font-variant
    letter-spacing word-spacing text-decoration
""")
_ATTRIBUTES: dict[str, AbstractSet[str]] = {
    "*": _REFERENCES | {"id", "role", "lang", "dir", "title", "aria-label", "aria-hidden", "style"},
    "a": {"href"},
    "col": {"span"},
    "colgroup": {"span"},
    "details": {"open"},
    "img": {"src", "alt", "width", "height"},
    "li": {"value"},
    "ol": {"start", "reversed"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    **dict.fromkeys(_PLOT, _DRAWING),
    "svg": _DRAWING | {"xmlns"},
}

_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_ALIGNMENT = re.compile(r"\s*text-align\s*:\s*(left|right|center)\s*;?\s*", re.IGNORECASE)
# No colon, slash or backslash and no function but these: a value can name a colour and move a shape, but not spell an address.
_PLAIN = re.compile(
    r"(?:(?:rgba?|hsla?|var|calc|matrix|translate|rotate|scale|skew[XY])\(|[\w\s.,#%)'\"+-])*+", re.IGNORECASE
)

# HTML drops a line break that opens a <pre>, one at each reading.
_OPENING_BREAKS = re.compile(r"(<pre\b[^>]*>)\n+")


def clean(html: str) -> str:
    """`html` as a balanced fragment that is safe inside a page.

    Links to http, https and mailto stay; other addresses go. Ids get the prefix `n-`, and links to them follow.
    """
    # What is taken out can leave elements nested as no browser would nest them, which then read differently from what was
    # judged. So it is judged again until it reads as it stands: after four rounds at most when tried.
    html = html.encode(errors="replace").decode()  # half a character has no place in UTF-8
    for _ in range(8):
        cleaned = _OPENING_BREAKS.sub(r"\1", _cleaner.clean(html))
        if cleaned == html:
            return cleaned
        html = cleaned
    return escape(html)


def _attribute(_tag: str, name: str, value: str) -> str | None:  # noqa: PLR0911  one rule per attribute reads as a table
    if name == "href":
        if value.startswith("#"):
            return f"#{_own(value[1:])}"
        return value if _LINK.match(value) else None
    if name == "src":
        return value if _PICTURE.match(value) else None
    if name == "id":
        return _own(value)
    if name in _REFERENCES:
        return " ".join(map(_own, value.split()))
    if name == "style":
        aligned = _ALIGNMENT.fullmatch(value)
        return f"text-align: {aligned[1].lower()};" if aligned else None
    if name in _DRAWING:
        return value if _PLAIN.fullmatch(value) else None
    return value


def _own(name: str) -> str:
    return name if name.startswith("n-") else f"n-{name}"


_cleaner = nh3.Cleaner(
    tags=_PROSE | _PLOT,
    clean_content_tags=_DROPPED_WHOLE,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "data"},
    link_rel="noopener noreferrer nofollow",
)
