"""A source is declared in one line or in many, and refused by the place that does not fit; no secret of it is ever shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.data.sources import address, declaration
from nbops.data.sources.declaration import Append, Options, read
from nbops.errors import ConfigError, SourceError

DOCS = Path(__file__).parents[3] / "docs" / "data.md"


def test_declaration_in_yaml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flights.yaml"
    path.write_text(
        """
from: https://data.example.org/flights.csv.gz
format: csv
options: {delimiter: ";", null: NA, encoding: latin-1}
licence: CC0-1.0
purpose: research
owner: ops@example.org
every: 1d
contract: contracts/flights.yaml
key: [flight, time_hour]
order: updated
append: {by: time_hour, look_back: 2d}
dedup: true
timeout: 30s
max_bytes: 2 GB
headers: {Authorization: Bearer $TOKEN}
""",
        encoding="utf-8",
    )
    source = read(path)
    assert (source.name, source.kind, source.format_) == ("flights", "http", "csv")
    assert source.options == Options(delimiter=";", null=("NA",), encoding="latin-1")
    assert (source.purpose, source.every, source.timeout) == (("research",), 86_400, 30)
    assert (source.key, source.order, source.dedup) == (("flight", "time_hour"), "updated", True)
    assert source.append == Append(by="time_hour", look_back=172_800, is_span=True)
    assert (source.max_bytes, source.retries, source.allow_private) == (2 * 10**9, 4, False)
    assert read(source) is source


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("data/*.parquet", "file"), ("C/x.csv", "file"), ("file:///data/x.csv", "file"), ("http://localhost:8000/x.csv", "http"),
        ("http://[::1]:8000/x.csv", "http"),
        ("https://data.example.org:$PORT/x.csv", "http"),
        ("https://$USER:$PASS@data.example.org/x.csv", "http"), ("sqlite:///data/x", "sqlite"), ("data/x.sqlite", "sqlite"),
        ("x.db", "sqlite"), ("postgresql://me:$PASSWORD@db/flights", "postgres"), ("postgres://db/flights", "postgres"),
        ("s3://bucket/x-*.parquet", "object"), ("memory://x.csv", "object"), ("python:package.module.function", "python"),
        ("python:code/made.py:function", "python"), (len, "python"), (object(), "frame"),
    ],
)  # fmt: skip
def test_address_tells_its_kind(given: object, kind: str) -> None:
    table = {"table": "t"} if kind in {"sqlite", "postgres"} else {}
    assert read({"from": given, **table}, name="x").kind == kind


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"fro": "x.csv"}, "the source has 'fro'.\nHint: Did you mean 'from'?"),
        ({}, "the source has no `from`"),
        ({"from": ""}, "has no `from`"),
        ({"from": 7}, "from is 7"),
        ({"from": pa.table({"a": [1]}).to_reader()}, "can be read only once.\nHint: Give `reader.read_all()`"),
        ({"from": "x.csv", "frmat": "csv"}, "Did you mean 'format'?"),
        ({"from": "x.csv", "format": "xml"}, "format"),
        ({"from": "x.csv", "options": {"delimeter": ";"}}, "options has 'delimeter'.\nHint: Did you mean 'delimiter'?"),
        ({"from": "x.csv", "options": {"encoding": "cp1252"}}, "encoding"),
        ({"from": "x.csv", "options": ";"}, "options is no mapping"),
        ({"from": "x.csv", "every": "daily"}, "every is 'daily', which is no span of time"),
        ({"from": "x.csv", "timeout": "0s"}, "timeout"),
        ({"from": "x.csv", "max_bytes": "much"}, "max_bytes is 'much'"),
        ({"from": "x.csv", "retries": -1}, "retries"),
        ({"from": "x.csv", "sha256": "abc"}, "sha256"),
        ({"from": "x.csv", "append": {"look_back": "2d"}}, "append does not fit"),
        ({"from": "x.csv", "append": {"by": "a", "look_back": "soon"}}, "append, look_back is 'soon'"),
        ({"from": "x.csv", "dedup": True, "key": "a"}, "dedup needs a `key` and an `order`"),
        ({"from": "x.csv", "table": "t"}, "table is of use for databases only"),
        ({"from": "x.csv", "headers": {"A": "b"}}, "headers is of use for addresses"),
        ({"from": "x.csv", "sheet": "a"}, "sheet is of use for Excel only"),
        ({"from": "x.xlsx", "range": "B3"}, "range"),
        ({"from": "x.db"}, "needs a `table` or a `query`"),
        ({"from": "x.db", "table": "t", "query": "select 1"}, "needs a `table` or a `query`"),
        ({"from": "x.db", "query": "select 1; drop table t"}, "query is not exactly one SELECT"),
        ({"from": "x.db", "query": "delete from t"}, "query is not exactly one SELECT"),
        ({"from": "x.db", "query": "select 1", "append": "a"}, "append needs a `table`"),
        ({"from": "https:///x.csv"}, "names no host"),
        ({"from": "https://data.example.org:99999/x.csv"}, "names no host"),
        ({"from": "https://[::1/x.csv"}, "names no host"),
        ({"from": "simplecache::https://data.example.org/x.csv"}, "is a chain of file systems"),
        ({"from": "python:function"}, "names no function"),
        ({"from": "https://a.example.org/x.csv", "headers": {"Authorization": "Bearer abc"}}, "holds a secret itself"),
        ({"from": "https://a.example.org/x.csv", "headers": {"A b": "c"}}, "'A b', which is no header"),
        ({"from": "https://a.example.org/x.csv", "headers": {"A": "c\r\nB: d"}}, "no header"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_place(told: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(told, name="flights")
    assert words in str(caught.value)
    assert str(caught.value).startswith("In flights: ")


@pytest.mark.parametrize(
    "query", ["select ';' as a", "with a as (select 1) select * from a;", "-- a;\nselect 1", "SELECT 1 /* ; */"]
)
def test_one_select_is_recognised(query: str) -> None:
    assert read({"from": "x.db", "query": query}, name="x").query == query


@pytest.mark.parametrize("name", ["", "..", "a/b", ".a", "a..b", "a" * 101, "a b", "ä", "a\n", "../a", "a;b", 'a"b'])
def test_name_that_is_no_name_of_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        read({"from": "x.csv", "source": name})


@pytest.mark.parametrize("name", ["a", "_a-1", "flights.2013", "A" * 100])
def test_name_is_accepted(name: str) -> None:
    assert read({"from": "x.csv"}, name=name).name == name


@pytest.mark.parametrize(
    ("text", "words"), [("- a", "declares no source"), ("a: [", "cannot be read"), (None, "There is no declaration")]
)
def test_file_that_declares_nothing_is_told(text: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read(path)


def test_every_field_is_documented() -> None:
    section = DOCS.read_text("utf-8").split("## Sources", 1)[1].split("\n## ", 1)[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(told) == sorted(declaration.FIELDS)


# Secrets

SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=6, max_size=20).map(
    lambda text: f"q{text}q"
)


@given(SECRETS, st.sampled_from(["postgresql", "https", "s3", "ftp"]))
def test_password_in_an_address_is_never_shown(secret: str, scheme: str) -> None:
    for written in (secret, quote(secret, safe="")):
        shown = address.shown(f"{scheme}://me:{written}@data.example.org:81/folder/x.csv?year=2013")
        assert shown == f"{scheme}://data.example.org:81/folder/x.csv?year=2013"


@given(SECRETS, st.sampled_from(["sig", "X-Amz-Signature", "access_token", "api_key", "password"]))
def test_parameter_that_lets_one_in_is_never_shown(secret: str, name: str) -> None:
    shown = address.shown(f"https://data.example.org/x.csv?{name}={quote(secret, safe='')}&year=2013")
    assert shown == f"https://data.example.org/x.csv?{name}={address.MASKED}&year=2013"


@pytest.mark.parametrize("name", ["country_code", "design", "keyword", "page", "author", "access"])
def test_parameter_that_tells_addresses_apart_is_shown(name: str) -> None:
    assert address.shown(f"https://data.example.org/x.csv?{name}=US") == f"https://data.example.org/x.csv?{name}=US"


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Auth"])
def test_header_that_lets_one_in_names_a_variable(name: str) -> None:
    with pytest.raises(ConfigError, match="holds a secret itself"):
        read({"from": "https://data.example.org/x.csv", "headers": {name: "abc"}}, name="x")
    assert read({"from": "https://data.example.org/x.csv", "headers": {name: "$ABC"}}, name="x").headers == {
        name: "$ABC"
    }


def test_representation_of_a_source_shows_no_secret() -> None:
    source = read({"from": "postgresql://me:geheim@db/flights", "table": "t"}, name="x")
    assert repr(source) == "Source('x', from 'postgresql://db/flights')"


@given(SECRETS)
def test_variable_is_quoted_where_it_becomes_part_of_an_address(secret: str) -> None:
    assert address.filled("a $A ${A}b", {"A": secret}) == f"a {secret} {secret}b"
    assert address.filled("https://me:$A@h/", {"A": secret}, url=True) == f"https://me:{quote(secret, safe='')}@h/"


def test_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SourceError, match="NOWHERE, which is not set"):
        address.filled("$NOWHERE", {})
