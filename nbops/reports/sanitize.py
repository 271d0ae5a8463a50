"""HTML that a notebook made, cut down to what a reader needs.

In flows any text, however hostile; out flows a balanced fragment of tables, prose, pictures and plots. It runs nothing, loads
nothing and reaches no further than its own box: no script or handler, no style but a text's alignment, no picture that is not
in the text itself, no id or class that our own page uses. It holds without a Content-Security-Policy, which is a second layer.
"""

from __future__ import annotations

import re

import nh3

_PROSE = frozenset(
    "a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i "
    "img ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th thead time tr u ul "
    "var wbr".split()
)
_PLOT = frozenset("svg g path line circle ellipse rect polyline polygon text tspan title desc".split())

# Their content is code, a fallback for something that is not shown, or a shape that is only drawn when referred to.
_DROPPED_WHOLE = frozenset(
    "script style iframe object embed applet noscript noembed noframes template audio video canvas select textarea button "
    "math defs symbol marker mask pattern clipPath linearGradient radialGradient filter foreignObject metadata".split()
)

_REFERENCES = frozenset({"aria-labelledby", "aria-describedby"})
_GEOMETRY = frozenset(
    "viewBox preserveAspectRatio width height x y x1 y1 x2 y2 dx dy cx cy r rx ry d points pathLength transform rotate "
    "textLength lengthAdjust".split()
)
_PAINT = frozenset(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset stroke-linecap "
    "stroke-linejoin stroke-miterlimit opacity color visibility vector-effect shape-rendering paint-order text-anchor "
    "dominant-baseline alignment-baseline baseline-shift font-family font-size font-style font-weight font-variant "
    "letter-spacing word-spacing text-decoration".split()
)
_ATTRIBUTES = {
    "*": {"id", "role", "lang", "dir", "title", "aria-label", "aria-hidden", "style", *_REFERENCES},
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
    **dict.fromkeys(_PLOT, {*_GEOMETRY, *_PAINT}),
}

_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_ALIGNMENT = re.compile(r"\s*text-align\s*:\s*(left|right|center)\s*;?\s*", re.IGNORECASE)
# No colon, slash or backslash and no function but these: a value can name a colour and move a shape, but not spell an address.
_PLAIN = re.compile(
    r"(?:(?:rgba?|hsla?|var|calc|matrix|translate|rotate|scale|skew[XY])\(|[\w\s.,#%)'\"+-])*+", re.IGNORECASE
)


def clean(html: str) -> str:
    """`html` as a balanced fragment that is safe inside a page; cleaning it again changes nothing.

    Links to http, https and mailto stay, for they load nothing until someone follows them; other addresses go. Ids get the
    prefix `n-`, and links to them follow.
    """
    return _cleaner.clean(html)


def _attribute(_tag: str, name: str, value: str) -> str | None:  # noqa: PLR0911  one rule per attribute reads as a table
    """The value that stays, or None when the attribute goes."""
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
    if name in _GEOMETRY or name in _PAINT:
        return value if _PLAIN.fullmatch(value) else None
    return value


def _own(name: str) -> str:
    """`name` among the notebook's own ids, which are never the page's."""
    return name if name.startswith("n-") else f"n-{name}"


_cleaner = nh3.Cleaner(
    tags={*_PROSE, *_PLOT},
    clean_content_tags=set(_DROPPED_WHOLE),
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "data"},
    link_rel="noopener noreferrer nofollow",
)
