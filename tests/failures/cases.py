"""Sixty failures that really happen, each with the class that a person gives it.

The rules were written with the first forty in sight; the twenty of `HELD_OUT` were written and tried before the rules changed again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nbops.failures import Evidence, FailureClass
from tests.failures.provoke import Runner, cell, execute, process, runner


class Case(NamedTuple):
    """A failure: what it is to a person, and how it is provoked."""

    name: str
    label: FailureClass
    provoke: Callable[[Runner], Evidence]


DESIGN = [
    Case("DuckDB file held by another process", "transient", cell("""
import subprocess, sys, duckdb
holder = subprocess.Popen(
    [sys.executable, "-c", "import duckdb; con = duckdb.connect('held.duckdb'); print('held', flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
holder.stdout.readline()
try:
    duckdb.connect("held.duckdb")
finally:
    holder.communicate(b"\\n")
""")),
    Case("SQLite locked by another connection", "transient", cell("""
import sqlite3
one, two = sqlite3.connect("queue.db", timeout=0), sqlite3.connect("queue.db", timeout=0)
one.execute("create table if not exists jobs (n)"); one.execute("begin exclusive")
try:
    two.execute("insert into jobs values (1)")
finally:
    one.rollback()
""")),
    Case("503 through urllib", "transient", cell("import urllib.request\nurllib.request.urlopen(URL + '/503')")),
    Case("429 through requests", "transient", cell("import requests\nrequests.get(URL + '/429').raise_for_status()")),
    Case("connection reset through requests", "transient", cell("import requests\nrequests.get(URL + '/reset')")),
    Case("no answer in time through urllib", "transient", cell(
        "import urllib.request\nurllib.request.urlopen(URL + '/slow', timeout=0.2)")),
    Case("missing CSV", "data_access", cell("import pandas as pd\npd.read_csv('flights-2027.csv')")),
    Case("401 through urllib", "data_access", cell("import urllib.request\nurllib.request.urlopen(URL + '/401')")),
    Case("404 through pandas", "data_access", cell("import pandas as pd\npd.read_csv(URL + '/404')")),
    Case("refused connection through httpx", "data_access", cell("import httpx\nhttpx.get('http://127.0.0.1:9/data')")),
    Case("unknown host", "data_access", cell("import urllib.request\nurllib.request.urlopen('http://data.invalid/x')")),
    Case("no Parquet for DuckDB", "data_access", cell("import duckdb\nduckdb.sql(\"select * from 'day-*.parquet'\").fetchall()")),
    Case("column gone from a frame", "schema_change", cell("""
import pandas as pd
flights = pd.DataFrame({"distance": [1.0, 2.0]})
flights["air_time"].mean()
""")),
    Case("column gone from a DuckDB table", "schema_change", cell("""
import duckdb
con = duckdb.connect(); con.execute("create table flights (distance int)")
con.execute("select air_time from flights")
""")),
    Case("model fitted on other columns", "schema_change", cell("""
import pandas as pd
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit(pd.DataFrame({"distance": [1.0, 2.0]}), [1, 2])
model.predict(pd.DataFrame({"distance_km": [1.0, 2.0]}))
""")),
    Case("CSV without a wanted column", "schema_change", cell("""
import pandas as pd
open("few.csv", "w").write("a,b\\n1,2\\n")
pd.read_csv("few.csv", usecols=["a", "c"])
""")),
    Case("Arrow table without a column", "schema_change", cell("import pyarrow as pa\npa.table({'a': [1]})['b']")),
    Case("NaN reaches a fit", "dirty_rows", cell("""
import numpy as np
from sklearn.linear_model import LinearRegression
LinearRegression().fit(np.array([[1.0], [np.nan]]), [1, 2])
""")),
    Case("words in a column of numbers", "dirty_rows", cell("import pandas as pd\npd.Series(['1', 'n/a']).astype(float)")),
    Case("DuckDB cannot cast a value", "dirty_rows", cell("""
import duckdb
duckdb.sql("select cast(v as integer) from (values ('1'), ('x')) t(v)").fetchall()
""")),
    Case("CSV row with too many fields", "dirty_rows", cell("""
import pandas as pd
open("torn.csv", "w").write("a,b\\n1,2\\n1,2,3,4\\n")
pd.read_csv("torn.csv")
""")),
    Case("date in another format", "dirty_rows", cell(
        "import pandas as pd\npd.to_datetime(['2026-01-31', '31.01.26'], format='%Y-%m-%d')")),
    Case("array larger than memory", "resource", cell("import numpy as np\nnp.zeros((10**7, 10**7))")),
    Case("full disk", "resource", cell("open('/dev/full', 'w').write('x' * 10**6)")),
    Case("file size limit", "resource", cell("""
import resource
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
try:
    with open("large.bin", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
""")),
    Case("address space used up", "resource", process(
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\nrows = [b'x' * 2**20 for _ in range(1000)]", text=True)),
    Case("killed at its memory limit", "resource", process(
        "import time\nrows = [b'x' * 2**20 for _ in range(100)]\ntime.sleep(60)", limit=60 * 2**20)),
    Case("killed", "kernel_death", process("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")),
    Case("segmentation fault", "kernel_death", process(
        "import ctypes, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nctypes.string_at(0)")),
    Case("kernel left in the middle of a cell", "kernel_death", runner(lambda: execute("import os\nos._exit(3)"))),
    Case("cell over its time", "timeout", runner(lambda: execute("import time\ntime.sleep(60)", timeout=1))),
    Case("key gone from a dict", "code_bug", cell("settings = {'depth': 3}\nsettings['dept']")),
    Case("misspelled name", "code_bug", cell("flights = [1]\nlen(flihgts)")),
    Case("text plus number", "code_bug", cell("def label(n):\n    return 'flight ' + n\nlabel(3)")),
    Case("refused by the notebook's own check", "code_bug", cell(
        "def check(share):\n    if share > 1:\n        raise ValueError(f'a share of {share} contains no sense')\ncheck(2)")),
    Case("no Python", "code_bug", cell("for row in range(3)\n    print(row)")),
    Case("name gone from the project's own module", "code_bug", cell("""
open("features.py", "w").write("def distance(x): return x\\n")
import sys, importlib; sys.path.insert(0, ""); importlib.invalidate_caches()
from features import distanse
""")),
    Case("package not installed", "environment", cell("import lightgbm_of_the_moon")),
    Case("no such kernel", "environment", runner(lambda: execute("1", kernel="python-of-the-moon"))),
    Case("program not installed", "environment", cell("import subprocess\nsubprocess.run(['quarto-of-the-moon', '--version'])")),
]  # fmt: skip

HELD_OUT = [
    Case("two transactions change one row", "transient", cell("""
import duckdb
con = duckdb.connect(); con.execute("create table stock (n int)"); con.execute("insert into stock values (1)")
one, two = con.cursor(), con.cursor()
one.execute("begin"); two.execute("begin")
one.execute("update stock set n = 2"); two.execute("update stock set n = 3")
""")),
    Case("answer cut off, through httpx", "transient", cell("import httpx\nhttpx.get(URL + '/cut')")),
    Case("late answer behind the notebook's own error", "transient", cell("""
import requests
def prices():
    try:
        return requests.get(URL + "/slow", timeout=0.2).json()
    except requests.RequestException as error:
        raise RuntimeError("the prices could not be loaded") from error
prices()
""")),
    Case("Parquet cut off", "data_access", cell("""
import pandas as pd
pd.DataFrame({"a": range(1000)}).to_parquet("whole.parquet")
whole = open("whole.parquet", "rb").read()
open("cut.parquet", "wb").write(whole[:len(whole) // 2])
pd.read_parquet("cut.parquet")
""")),
    Case("folder of a SQLite file gone", "data_access", cell("import sqlite3\nsqlite3.connect('gone/away/orders.db')")),
    Case("column gone before a transformer", "schema_change", cell("""
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler
scale = ColumnTransformer([("scale", StandardScaler(), ["distance", "hour"])])
scale.fit(pd.DataFrame({"distance": [1.0, 2.0], "hour": [1, 2]}))
scale.transform(pd.DataFrame({"distance": [1.0, 2.0]}))
""")),
    Case("column gone before a grouping", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"distance": [1.0, 2.0]}).groupby("carrier").sum()
""")),
    Case("table gone from DuckDB", "schema_change", cell("import duckdb\nduckdb.connect().execute('select * from flights')")),
    Case("missing values become integers", "dirty_rows", cell("import pandas as pd\npd.Series([1.0, None]).astype('int64')")),
    Case("category that the encoder never saw", "dirty_rows", cell("""
from sklearn.preprocessing import OneHotEncoder
OneHotEncoder().fit([["UA"], ["AA"]]).transform([["ZZ"]])
""")),
    Case("CSV value of the wrong kind for DuckDB", "dirty_rows", cell("""
import duckdb
open("kinds.csv", "w").write("a,b\\n1,2\\n3,many\\n")
duckdb.sql("select * from read_csv('kinds.csv', header = true, columns = {'a': 'int', 'b': 'int'})").fetchall()
""")),
    Case("too many open files", "resource", cell("""
import resource
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
files = []
try:
    while True:
        files.append(open("/dev/null"))
finally:
    [file.close() for file in files]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
""")),
    Case("DuckDB over its memory limit", "resource", cell("""
import duckdb
con = duckdb.connect(); con.execute("set memory_limit = '20MB'"); con.execute("set temp_directory = ''")
con.execute("create table large as select random() as a, random() as b from range(20_000_000)")
""")),
    Case("worker of a process pool killed", "kernel_death", cell("""
import os, signal
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool:
    pool.submit(os.kill, os.getpid(), 0).result()
    pool.submit(os._exit, 9).result()
""")),
    Case("step over its time", "timeout", process("import time\ntime.sleep(60)", seconds=0.2)),
    Case("any error called a lost connection", "code_bug", cell("""
def load():
    try:
        return [row.upper() for row in rwos]
    except Exception:
        raise ConnectionError("could not load the rows")
load()
""")),
    Case("dict's key gone, inside a frame's apply", "code_bug", cell("""
import pandas as pd
factors = {"AA": 1.1}
pd.DataFrame({"carrier": ["AA", "UA"]}).apply(lambda row: factors[row["carrier"]], axis=1)
""")),
    Case("slip in the handler of a lost connection", "code_bug", cell("""
import requests
failures = {}
try:
    requests.get(URL + "/reset")
except requests.ConnectionError:
    failures[URL] += 1
""")),
    Case("variable not set", "environment", cell("import os\nos.environ['WAREHOUSE_OF_THE_MOON']")),
    Case("compiled library not there", "environment", cell("import ctypes\nctypes.CDLL('libmoon.so.3')")),
]  # fmt: skip

MET_LATER = [
    Case("nothing to fit", "dirty_rows", cell("""
import numpy as np
from sklearn.linear_model import LinearRegression
LinearRegression().fit(np.empty((0, 3)), [])
""")),
    Case("mask with missing values", "dirty_rows", cell("""
import pandas as pd
names = pd.Series(["a", None], dtype=object)
names[names.str.contains("a")]
""")),
    Case("column of text and numbers sorted", "dirty_rows", cell("import pandas as pd\npd.DataFrame({'x': ['a', 1.5]}).sort_values('x')")),
    Case("misspelled protocol", "code_bug", cell("import urllib.request\nurllib.request.urlopen('htp://example.org/x')")),
    Case("no DuckDB file", "data_access", cell("""
import duckdb
open("no.duckdb", "w").write("hello" * 2000)
duckdb.connect("no.duckdb")
""")),
    Case("column gone before it becomes the index", "schema_change", cell("import pandas as pd\npd.DataFrame({'a': [1]}).set_index('b')")),
    Case("web page instead of JSON", "dirty_rows", cell("import pandas as pd\npd.read_json(URL + '/200')")),
    Case("folder to write into gone", "data_access", cell("import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('/gone/x.csv')")),
    Case("no archive", "data_access", cell("import tarfile\nopen('no.tgz', 'w').write('hello')\ntarfile.open('no.tgz')")),
    Case("handler of a lost connection calls a library wrongly", "code_bug", cell("""
import numpy as np, requests
try:
    requests.get(URL + "/reset")
except requests.ConnectionError:
    np.zeros((2, 3)) @ np.zeros((2, 3))
""")),
    Case("wrong value in a worker process", "code_bug", cell("""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
def half(n):
    raise ValueError("the database is locked, timed out")
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    list(pool.map(half, [1]))
""")),
    Case("a message that sounds like a lost connection", "code_bug", cell("assert not 'rows', 'Connection reset by peer, HTTP Error 503'")),
]  # fmt: skip
"""What the rules got wrong when they were tried on more, and what would be worst to get wrong."""
