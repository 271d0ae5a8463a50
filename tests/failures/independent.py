"""More failures, each labelled before it was run, in the order in which they were written.

FIRST was written without sight of the rules, the others by one who knew them. Of the 120 in FIRST the rules of that time told 96, of
the 60 in SECOND 41, of the 63 in THIRD 43, of the 62 in FOURTH 47: each measured once, before any rule was changed for it. What they
got wrong then has taught the rules, so all but FIFTH say only that nothing is forgotten. FIFTH, of everyday failures, came last: 60 of
61, by the one who had just written the rules.
"""

from __future__ import annotations

import subprocess
import sys

from nbops.failures import Evidence, evidence_from_exit
from tests.failures.cases import Case
from tests.failures.provoke import cell, execute, process, runner

# /dev/full is only for what writes in place: pyarrow deletes what it could not write, and root may delete the device.

# A server that says one line for each that it hears, then hangs up.
_TALK = """
def talk(*lines):
    import socket, threading
    listener = socket.create_server(("127.0.0.1", 0))
    def serve():
        connection, _ = listener.accept()
        with connection, connection.makefile("rw", newline="") as file:
            for line in lines:
                file.write(line + chr(13) + chr(10))
                file.flush()
                file.readline()
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]
"""


def _killed_with_room(_: object) -> Evidence:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"])
    child.kill()
    return evidence_from_exit(child.wait(), peak_memory=12_000_000, memory_limit=2_000_000_000)


FIRST = [
    # ---- transient
    Case("SQLite table being written by another connection", "transient", cell("""
import sqlite3
a, b = (sqlite3.connect("busy.db", timeout=0, isolation_level=None) for _ in range(2))
a.execute("create table if not exists t (i int)")
a.execute("begin immediate")
try:
    b.execute("insert into t values (1)")
finally:
    a.execute("rollback")
""")),
    Case("DuckDB transactions in conflict", "transient", cell("""
import duckdb
a = duckdb.connect()
a.execute("create table t as select 1 as i")
b = a.cursor()
a.execute("begin")
b.execute("begin")
a.execute("update t set i = 2")
b.execute("update t set i = 3")
""")),
    Case("requests with urllib3 retries, always 503", "transient", cell("""
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
with requests.Session() as session:
    session.mount("http://", HTTPAdapter(max_retries=Retry(2, status_forcelist=[503], backoff_factor=0)))
    session.get(URL + "/503/rates")
""")),
    Case("httpx, connection reset", "transient", cell("""
import httpx
rates = httpx.get(URL + "/reset", trust_env=False).json()
""")),
    Case("pandas reads a URL that answers 503", "transient", cell("""
import pandas as pd
pd.read_csv(URL + "/503/prices.csv")
""")),
    Case("lock file held by another run", "transient", cell("""
import fcntl
first, second = open("pipeline.lock", "w"), open("pipeline.lock", "w")
fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
""")),
    Case("mail server hangs up", "transient", cell(_TALK + """
import smtplib
with smtplib.SMTP("127.0.0.1", talk("220 mail ready", "250 mail", "250 ok")) as smtp:
    smtp.sendmail("etl@example.org", ["team@example.org"], "report")
""")),
    Case("FTP server has too many connections", "transient", cell(_TALK + """
import ftplib
ftp = ftplib.FTP()
ftp.connect("127.0.0.1", talk("421 Too many connections, try again later"))
""")),
    Case("read timeout, raised anew as RuntimeError", "transient", cell("""
import requests
def rates():
    try:
        return requests.get(URL + "/slow", timeout=0.1).json()
    except requests.RequestException as error:
        raise RuntimeError("cannot get rates") from error
rates()
""")),
    Case("connection reset in a worker process", "transient", cell("""
import sys, pathlib, importlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
pathlib.Path("fetching.py").write_text('''
import socket
def fetch(address):
    with socket.create_connection(address) as s:
        s.sendall(b"GET /reset HTTP/1.0" + bytes([10, 10]))
        return s.recv(100)
''')
sys.path.insert(0, "")
importlib.invalidate_caches()
import fetching
host, port = URL.removeprefix("http://").split(":")
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    print(pool.submit(fetching.fetch, (host, int(port))).result())
""")),
    Case("websocket feed answers 503", "transient", cell("""
import websocket
feed = websocket.create_connection(URL.replace("http", "ws") + "/503")
""")),
    Case("one of several tasks gets a reset", "transient", cell("""
import asyncio, httpx
async def fetch(path):
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(URL + path)).text
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(fetch("/reset")) for _ in range(2)]
""")),
    # ---- data_access
    Case("pathlib reads a missing file", "data_access", cell("""
from pathlib import Path
text = Path("landing/2024-05-01/orders.json").read_text()
""")),
    Case("DuckDB finds no file", "data_access", cell("""
import duckdb
duckdb.sql("select * from read_csv('landing/*.csv')").df()
""")),
    Case("requests, 403", "data_access", cell("""
import requests
reply = requests.get(URL + "/403/export")
reply.raise_for_status()
""")),
    Case("a page instead of a zip", "data_access", cell("""
import zipfile
with open("export.zip", "w") as file:
    file.write("<html>please log in</html>")
with zipfile.ZipFile("export.zip") as archive:
    archive.extractall()
""")),
    Case("gzip cut short", "data_access", cell("""
import gzip, pandas as pd
whole = gzip.compress(b"a,b" + b"\\n1,2" * 5000)
with open("cut.csv.gz", "wb") as file:
    file.write(whole[:len(whole) // 2])
pd.read_csv("cut.csv.gz")
""")),
    Case("half a parquet file", "data_access", cell("""
import pandas as pd
pd.DataFrame({"a": range(1000)}).to_parquet("half.parquet")
whole = open("half.parquet", "rb").read()
open("half.parquet", "wb").write(whole[:len(whole) // 2])
pd.read_parquet("half.parquet")
""")),
    Case("SQLite file is none", "data_access", cell("""
import sqlite3
open("crm.db", "w").write("version https://git-lfs.github.com/spec/v1\\n" * 50)
sqlite3.connect("crm.db").execute("select * from customers").fetchall()
""")),
    Case("FTP file is not there", "data_access", cell(_TALK + """
import ftplib, io
ftp = ftplib.FTP()
ftp.connect("127.0.0.1", talk("220 ready", "331 password?", "230 in", "200 binary", "550 orders.csv: No such file or directory"))
ftp.login("etl", "secret")
ftp.voidcmd("TYPE I")
ftp.size("orders.csv")
""")),
    Case("no input, told by the notebook's FileNotFoundError", "data_access", cell("""
from pathlib import Path
def newest(folder):
    files = sorted(Path(folder).glob("orders_*.csv"))
    if not files:
        raise FileNotFoundError(f"no orders_*.csv in {folder}: the nightly export has not come")
    return files[-1]
newest("landing")
""")),
    Case("missing file, raised anew", "data_access", cell("""
import json
class LoadError(Exception):
    pass
try:
    with open("reference/regions.json") as file:
        regions = json.load(file)
except OSError as error:
    raise LoadError("regions could not be loaded") from error
""")),
    Case("input/output error of a device", "data_access", cell("""
with open("/proc/self/mem", "rb") as disk:
    header = disk.read(16)
""")),
    Case("pickle file is empty", "data_access", cell("""
import pickle
open("features.pkl", "wb").close()
with open("features.pkl", "rb") as file:
    features = pickle.load(file)
""")),
    # ---- schema_change
    Case("column that usecols asks for is gone", "schema_change", cell("""
import io, pandas as pd
pd.read_csv(io.StringIO("id,amount_eur\\n1,2\\n"), usecols=["id", "amount"])
""")),
    Case("DuckDB column is gone", "schema_change", cell("""
import duckdb
duckdb.sql("create or replace temp table orders as select 1 as id, 2 as amount_eur")
duckdb.sql("select sum(amount) from orders").fetchall()
""")),
    Case("SQLite column is gone", "schema_change", cell("""
import sqlite3, pandas as pd
crm = sqlite3.connect(":memory:")
crm.execute("create table customers (id int, full_name text)")
pd.read_sql("select id, name from customers", crm)
""")),
    Case("merge on a column that one side lacks", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"customer": [1], "amount": [2]})
customers = pd.DataFrame({"customer_id": [1], "region": ["N"]})
orders.merge(customers, on="customer_id")
""")),
    Case("date column is gone", "schema_change", cell("""
import io, pandas as pd
pd.read_csv(io.StringIO("when,amount\\n2024-01-01,2\\n"), parse_dates=["day"])
""")),
    Case("pyarrow tables of two shapes", "schema_change", cell("""
import pyarrow as pa
parts = [pa.table({"id": [1], "amount": [2.0]}), pa.table({"id": [2], "amount": ["3"]})]
pa.concat_tables(parts)
""")),
    Case("column to drop is gone", "schema_change", cell("""
import pandas as pd
frame = pd.DataFrame({"id": [1], "amount": [2]})
frame.drop(columns=["internal_note"])
""")),
    Case("csv.DictReader lacks a column", "schema_change", cell("""
import csv, io
total = 0.0
for row in csv.DictReader(io.StringIO("id,amount_eur\\n1,2.5\\n")):
    total += float(row["amount"])
""")),
    Case("notebook's own check of columns", "schema_change", cell("""
import pandas as pd
frame = pd.DataFrame({"id": [1], "amount_eur": [2]})
missing = {"id", "amount"} - set(frame.columns)
if missing:
    raise ValueError(f"missing columns: {sorted(missing)}")
""")),
    Case("jsonschema: a required property is gone", "schema_change", cell("""
import jsonschema
schema = {"type": "object", "required": ["id", "price"], "properties": {"price": {"type": "number"}}}
jsonschema.validate({"id": 1, "price_eur": 2.0}, schema)
""")),
    Case("one column more than names", "schema_change", cell("""
import io, pandas as pd
frame = pd.read_csv(io.StringIO("1,2,3\\n4,5,6\\n"), header=None)
frame.columns = ["id", "amount"]
""")),
    Case("estimator was fitted on other features", "schema_change", cell("""
import pandas as pd
from sklearn.preprocessing import StandardScaler
scaler = StandardScaler().fit(pd.DataFrame({"age": [1.0, 2.0], "income": [3.0, 4.0]}))
scaler.transform(pd.DataFrame({"age": [1.0], "income_eur": [2.0]}))
""")),
    # ---- dirty_rows
    Case("to_numeric meets a word", "dirty_rows", cell("""
import pandas as pd
pd.to_numeric(pd.Series(["1", "2", "unknown"]))
""")),
    Case("missing values to integers", "dirty_rows", cell("""
import pandas as pd
frame = pd.DataFrame({"quantity": [1.0, None, 3.0]})
frame["quantity"] = frame["quantity"].astype("int64")
""")),
    Case("infinite value into an estimator", "dirty_rows", cell("""
import numpy as np
from sklearn.preprocessing import StandardScaler
StandardScaler().fit(np.array([[1.0], [np.inf]]))
""")),
    Case("row with too many fields", "dirty_rows", cell("""
import io, pandas as pd
pd.read_csv(io.StringIO("a,b\\n1,2\\n3,4,5\\n"))
""")),
    Case("merge keys doubled", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"customer": [1, 2]})
customers = pd.DataFrame({"customer": [1, 1], "region": ["N", "S"]})
orders.merge(customers, on="customer", validate="many_to_one")
""")),
    Case("SQLite row without a value it must have", "dirty_rows", cell("""
import sqlite3
crm = sqlite3.connect(":memory:")
crm.execute("create table orders (id integer primary key, customer text not null)")
crm.executemany("insert into orders values (?, ?)", [(1, "a"), (2, None)])
""")),
    Case("DuckDB key doubled", "dirty_rows", cell("""
import duckdb
con = duckdb.connect()
con.execute("create table orders (id integer primary key)")
con.execute("insert into orders values (1), (2), (2)")
""")),
    Case("int() of a word, in the notebook", "dirty_rows", cell("""
rows = ["1,20", "2,n/a", "3,7"]
quantities = [int(row.split(",")[1]) for row in rows]
""")),
    Case("no such day", "dirty_rows", cell("""
from datetime import datetime
days = ["2024-01-31", "2024-02-30"]
parsed = [datetime.strptime(day, "%Y-%m-%d") for day in days]
""")),
    Case("doubled entries cannot be pivoted", "dirty_rows", cell("""
import pandas as pd
frame = pd.DataFrame({"day": [1, 1, 2], "shop": ["a", "a", "b"], "sales": [1, 2, 3]})
frame.pivot(index="day", columns="shop", values="sales")
""")),
    Case("pyarrow CSV value is no integer", "dirty_rows", cell("""
import io
from pyarrow import csv
import pyarrow as pa
csv.read_csv(io.BytesIO(b"id,n\\n1,2\\n2,x\\n"), convert_options=csv.ConvertOptions(column_types={"n": pa.int64()}))
""")),
    Case("notebook's own check of rows", "dirty_rows", cell("""
import pandas as pd
frame = pd.DataFrame({"id": [1, 2], "amount": [2.0, -3.0]})
bad = frame[frame["amount"] < 0]
if len(bad):
    raise ValueError(f"{len(bad)} rows with a negative amount")
""")),
    # ---- resource
    Case("bytearray too large for memory", "resource", cell("""
buffer = bytearray(1 << 60)
""")),
    Case("pandas writes to a full disk", "resource", cell("""
import pandas as pd
pd.DataFrame({"a": range(50_000)}).to_csv("/dev/full", index=False)
""")),
    Case("too many open files", "resource", cell("""
import resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
try:
    files = [open(f"part_{i}.csv", "w") for i in range(400)]
finally:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
""")),
    Case("file grows beyond the limit", "resource", process("""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
import tempfile
with tempfile.NamedTemporaryFile("w") as report:
    report.write("x" * 100_000)
    report.flush()
""", text=True)),
    Case("DuckDB beyond its memory limit", "resource", cell("""
import duckdb
con = duckdb.connect(config={"memory_limit": "12MB", "temp_directory": "", "threads": 1})
con.execute("create table big as select range as i, hash(range)::varchar as h from range(3_000_000)")
""")),
    Case("killed for its memory", "resource", process("""
import time
blocks = []
while True:
    blocks.append(bytearray(4_000_000))
    time.sleep(0.002)
""", limit=120_000_000)),
    Case("SQLite file is full", "resource", cell("""
import sqlite3
con = sqlite3.connect("small.db")
con.execute("pragma max_page_count = 4")
con.execute("create table t (x text)")
con.executemany("insert into t values (?)", [("x" * 1000,)] * 100)
""")),
    Case("no more threads", "resource", process("""
import resource, threading, time
threading.stack_size(64 * 1024 * 1024)
resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))
for _ in range(40):
    threading.Thread(target=time.sleep, args=(0.3,), daemon=True).start()
""", text=True)),
    Case("mapping beyond memory", "resource", cell("""
import mmap
shared = mmap.mmap(-1, 1 << 46)
""")),
    Case("full disk, raised anew", "resource", cell("""
def save(text):
    try:
        with open("/dev/full", "w") as file:
            file.write(text)
    except OSError as error:
        raise RuntimeError("report was not saved") from error
save("x" * 100_000)
""")),
    Case("memory ran out in a worker process", "resource", cell("""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    pool.submit(bytearray, 1 << 60).result()
""")),
    # ---- kernel_death
    Case("C library aborts", "kernel_death", process("import os; os.abort()")),
    Case("segmentation fault", "kernel_death", process("import ctypes; ctypes.string_at(0)")),
    Case("killed by nobody knows whom", "kernel_death", process("import os; os.kill(os.getpid(), 9)")),
    Case("bus error", "kernel_death", process("import os, signal; os.kill(os.getpid(), signal.SIGBUS)")),
    Case("left without a word", "kernel_death", process("import os; os._exit(3)")),
    Case("notebook's kernel dies of a signal", "kernel_death", runner(lambda: execute(
        "import ctypes; ctypes.string_at(0)"
    ))),
    Case("killed with plenty of memory left", "kernel_death", _killed_with_room),
    Case("segmentation fault told by faulthandler", "kernel_death", process(
        "import ctypes, faulthandler; faulthandler.enable(); ctypes.string_at(0)", text=True
    )),
    Case("a worker process dies", "kernel_death", cell("""
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    pool.submit(os._exit, 1).result()
""")),
    # ---- timeout
    Case("cell beyond its limit", "timeout", runner(lambda: execute("import time; time.sleep(20)", timeout=1))),
    Case("step beyond its limit, asleep", "timeout", process("import time; time.sleep(20)", seconds=0.2)),
    Case("step beyond its limit, busy", "timeout", process("while True: pass", seconds=0.2)),
    Case("program beyond its limit", "timeout", cell("""
import subprocess
subprocess.run(["sleep", "20"], timeout=0.1, check=True)
""")),
    Case("future beyond its limit", "timeout", cell("""
import time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
try:
    pool.submit(time.sleep, 0.4).result(timeout=0.05)
finally:
    pool.shutdown(wait=False)
""")),
    Case("asyncio.wait_for beyond its limit", "timeout", cell("""
import asyncio
async def train():
    await asyncio.sleep(9)
await asyncio.wait_for(train(), timeout=0.05)
""")),
    Case("alarm clock of the notebook", "timeout", cell("""
import signal, time
def late(signum, frame):
    raise TimeoutError("training took longer than its limit")
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(5)
""")),
    Case("worker process beyond its limit", "timeout", cell("""
import time
from multiprocessing import get_context
with get_context("fork").Pool(1) as pool:
    pool.apply_async(time.sleep, (9,)).get(timeout=0.05)
""")),
    Case("program beyond its limit, raised anew", "timeout", cell("""
import subprocess
def simulate():
    try:
        subprocess.check_output(["sleep", "20"], timeout=0.1)
    except subprocess.SubprocessError as error:
        raise RuntimeError("simulation did not end") from error
simulate()
""")),
    Case("anyio.fail_after", "timeout", cell("""
import anyio
with anyio.fail_after(0.05):
    await anyio.sleep(9)
""")),
    # ---- environment
    Case("package is not installed", "environment", cell("""
import pandas as pd
import h2o
""")),
    Case("function that newer SciPy lacks", "environment", cell("""
from scipy.integrate import simps
""")),
    Case("variable is not set", "environment", cell("""
import os
password = os.environ["WAREHOUSE_PASSWORD"]
""")),
    Case("program is not installed", "environment", cell("""
import subprocess
subprocess.run(["wkhtmltopdf", "report.html", "report.pdf"], check=True)
""")),
    Case("kernel is not installed", "environment", runner(lambda: execute("1", kernel="julia-1.9"))),
    Case("locale is not installed", "environment", cell("""
import locale
locale.setlocale(locale.LC_ALL, "de_DE.UTF-9")
""")),
    Case("shared library is missing", "environment", cell("""
import ctypes
odbc = ctypes.CDLL("libodbc.so.2")
""")),
    Case("Excel reader is not installed", "environment", cell("""
import pandas as pd
pd.DataFrame({"a": [1]}).to_excel("report.ods", engine="odf")
""")),
    Case("script may not be run", "environment", cell("""
import subprocess, pathlib
pathlib.Path("export.sh").write_text("#!/bin/sh\\n")
pathlib.Path("export.sh").chmod(0o644)
subprocess.run(["./export.sh"], check=True)
""")),
    Case("shell does not find the program", "environment", cell("""
import subprocess
subprocess.run("dbt-core run --select orders", shell=True, check=True)
""")),
    Case("bundle of certificates is missing", "environment", cell("""
import requests
requests.get("https://127.0.0.1:9/rates", verify="/etc/corp/ca-bundle.pem")
""")),
    # ---- code_bug
    Case("misspelled name", "code_bug", cell("""
frame_count = 3
print(frame_cout)
""")),
    Case("None is added", "code_bug", cell("""
def best(scores):
    scores.sort()
best([1, 2]) + 1
""")),
    Case("index beyond the list", "code_bug", cell("""
folds = [0, 1, 2]
folds[3]
""")),
    Case("division by zero", "code_bug", cell("""
batches = []
average = sum(batches) / len(batches)
""")),
    Case("variable used before it is set", "code_bug", cell("""
def mean(values):
    for value in values:
        total += value
    return total
mean([1, 2])
""")),
    Case("syntax error", "code_bug", cell("""
for fold in range(3)
    print(fold)
""")),
    # A kernel takes seconds to print its traceback.
    Case("endless recursion", "code_bug", process("""
def depth(node):
    return 1 + depth(node)
depth({})
""", text=True)),
    Case("attribute of None", "code_bug", cell("""
import re
re.match("a", "b").group()
""")),
    Case("invariant does not hold", "code_bug", cell("""
train, test = [1, 2], [2, 3]
assert not set(train) & set(test), "train and test overlap"
""")),
    Case("key of settings, misspelled, speaks of a timeout", "code_bug", cell("""
settings = {"timeout_s": 3}
wait = settings["connection timed out"]
""")),
    Case("estimator is not fitted", "code_bug", cell("""
from sklearn.linear_model import LinearRegression
LinearRegression().predict([[1.0]])
""")),
    Case("parameter of an estimator is out of range", "code_bug", cell("""
from sklearn.tree import DecisionTreeClassifier
DecisionTreeClassifier(max_depth=-1).fit([[1], [2]], [0, 1])
""")),
    Case("DuckDB query is no SQL", "code_bug", cell("""
import duckdb
duckdb.sql("selct 1")
""")),
    Case("SQLite query is no SQL", "code_bug", cell("""
import sqlite3
sqlite3.connect(":memory:").execute("select * form orders")
""")),
    Case("arrays do not fit", "code_bug", cell("""
import numpy as np
np.ones(3) + np.ones(4)
""")),
    Case("truth of a Series", "code_bug", cell("""
import pandas as pd
if pd.Series([1, 2]) > 1:
    pass
""")),
    Case("plot of unequal lengths", "code_bug", cell("""
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
plt.plot([1, 2, 3], [1, 2])
""")),
    Case("URL without a scheme", "code_bug", cell("""
import requests
requests.get("api.example.org/rates")
""")),
    Case("request that the server finds wrong", "code_bug", cell("""
import httpx
httpx.get(URL + "/422/orders", trust_env=False).raise_for_status()
""")),
    Case("timeout given as text", "code_bug", cell("""
import requests
requests.get(URL + "/slow", timeout="5")
""")),
    Case("value cannot be JSON", "code_bug", cell("""
import json, datetime
json.dumps({"day": datetime.date(2024, 1, 1)})
""")),
    Case("connection was closed before", "code_bug", cell("""
import sqlite3
con = sqlite3.connect(":memory:")
con.close()
con.execute("select 1")
""")),
    Case("client was closed before", "code_bug", cell("""
import httpx
client = httpx.Client(trust_env=False)
client.close()
client.get(URL + "/200")
""")),
    Case("transaction within a transaction", "code_bug", cell("""
import duckdb
con = duckdb.connect()
con.execute("begin")
con.execute("begin")
""")),
    Case("bug in a handler of a lost connection", "code_bug", cell("""
import requests
try:
    requests.get(URL + "/reset")
except requests.ConnectionError as error:
    loger.warning("no rates: %s", error)
""")),
    Case("DuckDB function is misspelled", "code_bug", cell("""
import duckdb
duckdb.sql("select dat_trunc('day', now())").fetchall()
""")),
    Case("GROUP BY lacks a column", "code_bug", cell("""
import duckdb
duckdb.sql("create or replace temp table sales as select 1 as shop, 2 as amount")
duckdb.sql("select shop, sum(amount) from sales").fetchall()
""")),
    Case("lambda for a worker process", "code_bug", cell("""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    pool.submit(lambda: 1).result()
""")),
    Case("socket used after it was closed", "code_bug", cell("""
import socket
s = socket.socket()
s.close()
s.send(b"x")
""")),
    Case("naive and aware times", "code_bug", cell("""
from datetime import datetime, timezone
age = datetime.now(timezone.utc) - datetime(2024, 1, 1)
""")),
    Case("bug raised anew", "code_bug", cell("""
def train(depth):
    return [0] * depth
try:
    train("3")
except TypeError as error:
    raise RuntimeError("training failed") from error
""")),
]  # fmt: skip

SECOND = [
    # ---- transient
    Case("tornado client, 504", "transient", cell("""
from tornado.httpclient import AsyncHTTPClient
await AsyncHTTPClient().fetch(URL + "/504/rates")
""")),
    Case("IMAP server goes away", "transient", cell(_TALK + """
import imaplib
imaplib.IMAP4("127.0.0.1", talk("* BYE server is going down for maintenance"))
""")),
    Case("429, raised anew as the project's own error", "transient", cell("""
import urllib.request
class RatesError(Exception):
    pass
try:
    urllib.request.urlopen(URL + "/429")
except OSError as error:
    raise RatesError("no rates today") from error
""")),
    Case("server hangs up without an answer", "transient", cell(_TALK + """
import http.client
link = http.client.HTTPConnection("127.0.0.1", talk())
link.request("GET", "/")
link.getresponse()
""")),
    Case("socket read in vain", "transient", cell("""
import socket
host, port = URL.removeprefix("http://").split(":")
with socket.create_connection((host, int(port)), timeout=0.1) as s:
    s.recv(10)
""")),
    Case("notebook's own check of a 503", "transient", cell("""
import requests
reply = requests.get(URL + "/503/rates")
if reply.status_code != 200:
    raise RuntimeError(f"GET {reply.url} returned {reply.status_code}")
""")),
    Case("pandas query of a locked SQLite database", "transient", cell("""
import sqlite3, pandas as pd
a, b = (sqlite3.connect("shared.db", timeout=0, isolation_level=None) for _ in range(2))
a.execute("create table if not exists t (i int)")
a.execute("begin exclusive")
try:
    pd.read_sql_query("select * from t", b)
finally:
    a.execute("rollback")
""")),
    Case("tenacity gives up", "transient", cell("""
import requests, tenacity
@tenacity.retry(stop=tenacity.stop_after_attempt(2))
def rates():
    return requests.get(URL + "/reset").json()
rates()
""")),
    # ---- data_access
    Case("bz2 file is none", "data_access", cell("""
import bz2
with open("rates.bz2", "w") as file:
    file.write("<html>moved</html>")
with bz2.open("rates.bz2") as file:
    file.read()
""")),
    Case("database to attach is not there", "data_access", cell("""
import duckdb
duckdb.connect().execute("attach 'warehouse.duckdb' (read_only)")
""")),
    Case("POP login refused", "data_access", cell(_TALK + """
import poplib
box = poplib.POP3("127.0.0.1", talk("+OK ready", "+OK", "-ERR [AUTH] invalid password"))
box.user("etl")
box.pass_("secret")
""")),
    Case("share is not mounted", "data_access", cell("""
import os
names = os.listdir("/mnt/landing/orders")
""")),
    Case("feather file is none", "data_access", cell("""
import pandas as pd
with open("orders.feather", "w") as file:
    file.write("version https://git-lfs.github.com/spec/v1" + " " * 100)
pd.read_feather("orders.feather")
""")),
    Case("page instead of a pickle", "data_access", cell("""
import pickle
pickle.loads(b"<html>please log in</html>")
""")),
    # ---- schema_change
    Case("msgspec: a required field is gone", "schema_change", cell("""
import msgspec
class Order(msgspec.Struct):
    id: int
    price: float
msgspec.json.decode(b'[{"id": 1, "price_eur": 2.0}]', type=list[Order])
""")),
    Case("narwhals column is gone", "schema_change", cell("""
import narwhals as nw, pandas as pd
nw.from_native(pd.DataFrame({"id": [1], "amount_eur": [2]})).select("id", "amount")
""")),
    Case("rows have one value more than the table", "schema_change", cell("""
import duckdb, pandas as pd
con = duckdb.connect()
con.execute("create table orders (id int, amount int)")
new = pd.DataFrame({"id": [1], "amount": [2], "currency": ["EUR"]})
con.execute("insert into orders select * from new")
""")),
    Case("field of an array is gone", "schema_change", cell("""
import io, numpy as np
rows = np.genfromtxt(io.StringIO("id,amount_eur\\n1,2\\n3,4\\n"), delimiter=",", names=True)
rows["amount"].sum()
""")),
    Case("index column is gone", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"order": [1], "amount": [2]}).set_index("id")
""")),
    Case("pyarrow schema asks for a column that is gone", "schema_change", cell("""
import pandas as pd, pyarrow as pa
schema = pa.schema([("id", pa.int64()), ("amount", pa.float64())])
pa.Table.from_pandas(pd.DataFrame({"id": [1], "amount_eur": [2.0]}), schema=schema)
""")),
    # ---- dirty_rows
    Case("no UUID", "dirty_rows", cell("""
import uuid
ids = [uuid.UUID(text) for text in ("7d444840-9dc0-11d1-b245-5ffdce74fad2", "unknown")]
""")),
    Case("no decimal number", "dirty_rows", cell("""
from decimal import Decimal
prices = [Decimal(text) for text in ("12.50", "12,50")]
""")),
    Case("no date, says dateutil", "dirty_rows", cell("""
from dateutil import parser
days = [parser.parse(text) for text in ("2024-01-31", "tomorrow-ish")]
""")),
    Case("word among numbers of a text file", "dirty_rows", cell("""
import io, numpy as np
np.loadtxt(io.StringIO("1 2\\n3 x\\n"))
""")),
    Case("broken line of JSON lines", "dirty_rows", cell("""
import io, pandas as pd
pd.read_json(io.StringIO('{"a": 1}\\n{"a": 2\\n'), lines=True)
""")),
    Case("project's own error tells of doubled rows", "dirty_rows", cell("""
class DataQualityError(Exception):
    pass
ids = [1, 2, 2]
if len(set(ids)) < len(ids):
    raise DataQualityError("order ids are not unique: 2")
""")),
    # ---- resource
    Case("array too large for memory", "resource", cell("""
import numpy as np
distances = np.zeros((10_000_000, 10_000_000))
""")),
    Case("array written to a full disk", "resource", cell("""
import numpy as np
np.zeros(100_000).tofile("/dev/full")
""")),
    Case("killed for the memory of many small things", "resource", process("""
import time
rows = []
while True:
    rows += [{"id": i, "name": str(i)} for i in range(5000)]
    time.sleep(0.002)
""", limit=90_000_000)),
    Case("limit of address space", "resource", process("""
import resource
resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))
rows = [list(range(1000)) for _ in range(100_000)]
""", text=True)),
    Case("no file handle for a program's pipe", "resource", cell("""
import resource, subprocess
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
try:
    running = [subprocess.Popen(["true"], stdout=subprocess.PIPE) for _ in range(200)]
finally:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
""")),
    # ---- kernel_death
    Case("illegal instruction", "kernel_death", process("import os, signal; os.kill(os.getpid(), signal.SIGILL)")),
    Case("a joblib worker is killed", "kernel_death", cell("""
import os, joblib
joblib.Parallel(n_jobs=2)(joblib.delayed(os._exit)(code) for code in [9, 9])
""")),
    Case("segmentation fault, as a shell tells it", "kernel_death", lambda _: evidence_from_exit(
        subprocess.run(["sh", "-c", 'sh -c "kill -SEGV \\$\\$"; exit $?'], check=False, stderr=subprocess.DEVNULL).returncode
    )),
    Case("notebook's kernel leaves", "kernel_death", runner(lambda: execute("import os; os._exit(1)"))),
    # ---- timeout
    Case("asyncio.timeout", "timeout", cell("""
import asyncio
async with asyncio.timeout(0.05):
    await asyncio.sleep(9)
""")),
    Case("some of many futures unfinished", "timeout", cell("""
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
pool = ThreadPoolExecutor(2)
futures = [pool.submit(time.sleep, seconds) for seconds in (0, 0.3)]
try:
    for future in as_completed(futures, timeout=0.05):
        future.result()
finally:
    pool.shutdown(wait=False)
""")),
    Case("joblib beyond its limit", "timeout", cell("""
import time, joblib
joblib.Parallel(n_jobs=2, backend="threading", timeout=0.05)(joblib.delayed(time.sleep)(0.4) for _ in range(2))
""")),
    Case("step that ignores that it is asked to end", "timeout", process(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(20)", seconds=0.2
    )),
    # ---- environment
    Case("font is not installed", "environment", cell("""
from PIL import ImageFont
ImageFont.truetype("CorporateSans-Bold.ttf", 12)
""")),
    Case("DuckDB extension is not installed", "environment", cell("""
import duckdb
duckdb.connect(config={"extension_directory": "/tmp/no-extensions"}).execute("load spatial")
""")),
    Case("notebook's own check of a variable", "environment", cell("""
import os
dsn = os.environ.get("WAREHOUSE_DSN")
if not dsn:
    raise RuntimeError("environment variable WAREHOUSE_DSN is not set")
""")),
    Case("pickled model needs a package", "environment", cell("""
import pickle
pickle.loads(b"ch2o.frame\\nH2OFrame\\n.")
""")),
    Case("program for another machine", "environment", cell("""
import pathlib, subprocess
pathlib.Path("solver").write_bytes(b"\\x7fELF\\x02\\x01\\x01" + bytes(60))
pathlib.Path("solver").chmod(0o755)
subprocess.run(["./solver"], check=True)
""")),
    # ---- code_bug
    Case("template is wrong", "code_bug", cell("""
import jinja2
jinja2.Template("{% for row in rows %}{{ row }")
""")),
    Case("features and target of unequal lengths", "code_bug", cell("""
from sklearn.linear_model import LinearRegression
LinearRegression().fit([[1.0], [2.0], [3.0]], [1.0, 2.0])
""")),
    Case("event loop within an event loop", "code_bug", cell("""
import asyncio
async def main():
    pass
asyncio.run(main())
""")),
    Case("dict changed while it is walked", "code_bug", cell("""
models = {"a": 1, "b": 2}
for name in models:
    models.pop(name)
""")),
    Case("regular expression is wrong", "code_bug", cell("""
import re
re.compile("orders_([0-9]+.csv")
""")),
    Case("file is closed already", "code_bug", cell("""
with open("log.txt", "w") as log:
    log.write("begun")
log.write("done")
""")),
    Case("columns overlap in a join", "code_bug", cell("""
import pandas as pd
pd.DataFrame({"a": [1]}).join(pd.DataFrame({"a": [2]}))
""")),
    Case("parameter of a query is forgotten", "code_bug", cell("""
import duckdb
duckdb.execute("select ? + ?", [1])
""")),
    Case("thread started twice", "code_bug", cell("""
import threading
thread = threading.Thread(target=print)
thread.start()
thread.join()
thread.start()
""")),
    Case("no such status", "code_bug", cell("""
from http import HTTPStatus
HTTPStatus(599)
""")),
    Case("one of several tasks has a bug", "code_bug", cell("""
import asyncio
async def score(rows):
    return len(rows) / 2
async with asyncio.TaskGroup() as group:
    group.create_task(score(None))
""")),
    Case("bug in a handler of a timeout", "code_bug", cell("""
import requests
def fetch():
    try:
        return requests.get(URL + "/slow", timeout=0.1)
    except requests.Timeout:
        failed += 1
fetch()
""")),
    Case("steps depend on each other", "code_bug", cell("""
import graphlib
list(graphlib.TopologicalSorter({"train": ["score"], "score": ["train"]}).static_order())
""")),
    Case("no such port", "code_bug", cell("""
import socket
socket.socket().bind(("127.0.0.1", 99999))
""")),
    Case("pool is shut already", "code_bug", cell("""
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    pass
pool.submit(print)
""")),
    Case("SQLite connection used in another thread", "code_bug", cell("""
import sqlite3
from concurrent.futures import ThreadPoolExecutor
con = sqlite3.connect(":memory:")
with ThreadPoolExecutor(1) as pool:
    pool.submit(con.execute, "select 1").result()
""")),
]  # fmt: skip

THIRD = [
    # ---- transient
    Case("urllib3, no answer in time", "transient", cell("""
import urllib3
urllib3.PoolManager().request("GET", URL + "/slow", timeout=0.1, retries=1)
""")),
    Case("project's own error tells of a busy warehouse", "transient", cell("""
class WarehouseBusy(Exception):
    pass
running = ["load_orders"]
if running:
    raise WarehouseBusy(f"another load is running: {running[0]}")
""")),
    Case("FTP server hangs up", "transient", cell(_TALK + """
import ftplib
ftp = ftplib.FTP()
ftp.connect("127.0.0.1", talk("220 ready"))
ftp.login("etl", "secret")
""")),
    Case("TLS handshake cut off", "transient", cell(_TALK + """
import socket, ssl
context = ssl.create_default_context()
with socket.create_connection(("127.0.0.1", talk())) as plain:
    context.wrap_socket(plain, server_hostname="rates.example.org")
""")),
    Case("requests, answer cut off", "transient", cell("""
import requests
requests.get(URL + "/cut/rates").json()
""")),
    Case("502 in a pool of threads", "transient", cell("""
import requests
from concurrent.futures import ThreadPoolExecutor
def fetch(day):
    reply = requests.get(f"{URL}/502/{day}")
    reply.raise_for_status()
    return reply.json()
with ThreadPoolExecutor(2) as pool:
    days = list(pool.map(fetch, range(3)))
""")),
    Case("reset, with a note", "transient", cell("""
import httpx
try:
    httpx.get(URL + "/reset", trust_env=False)
except httpx.HTTPError as error:
    error.add_note("while the rates were loaded")
    raise
""")),
    # ---- data_access
    Case("notebook finds that nothing was delivered", "data_access", cell("""
from pathlib import Path
day = "2024-05-01"
delivered = list(Path("inbox").glob(f"{day}*"))
if not delivered:
    raise RuntimeError(f"nothing was delivered for {day}")
""")),
    Case("folder of a SQLite file is not mounted", "data_access", cell("""
import sqlite3
sqlite3.connect("/mnt/crm/customers.db")
""")),
    Case("no deflated data", "data_access", cell("""
import zlib
zlib.decompress(b"<html>please log in</html>")
""")),
    Case("file URL leads nowhere", "data_access", cell("""
import urllib.request
urllib.request.urlopen("file:///mnt/landing/orders.csv")
""")),
    Case("page instead of an array", "data_access", cell("""
import numpy as np
with open("embeddings.npy", "w") as file:
    file.write("<html>please log in</html>")
np.load("embeddings.npy")
""")),
    Case("page instead of a MATLAB file", "data_access", cell("""
import scipy.io
with open("sensors.mat", "w") as file:
    file.write("<html>please log in</html>" * 20)
scipy.io.loadmat("sensors.mat")
""")),
    Case("notebook finds old data", "data_access", cell("""
age = 9
if age > 2:
    raise RuntimeError(f"newest partition of orders is {age} days old")
""")),
    # ---- schema_change
    Case("records sorted by a key that is gone", "schema_change", cell("""
import json
from operator import itemgetter
orders = json.loads('[{"id": 1, "amount_eur": 2}, {"id": 2, "amount_eur": 1}]')
sorted(orders, key=itemgetter("amount"))
""")),
    Case("column to sum is gone", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"shop": [1], "amount_eur": [2]}).groupby("shop").agg({"amount": "sum"})
""")),
    Case("one of the columns to keep is gone", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"id": [1], "amount_eur": [2]}).loc[:, ["id", "amount"]]
""")),
    Case("column to encode is gone", "schema_change", cell("""
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler
ColumnTransformer([("scale", StandardScaler(), ["amount"])]).fit(pd.DataFrame({"amount_eur": [1.0, 2.0]}))
""")),
    Case("rows have more values than there are names", "schema_change", cell("""
import pandas as pd
pd.DataFrame([[1, 2, 3, 4], [5, 6, 7, 8]], columns=["id", "shop", "amount"])
""")),
    Case("pyarrow CSV lacks a column", "schema_change", cell("""
import io
from pyarrow import csv
csv.read_csv(io.BytesIO(b"id,amount_eur\\n1,2\\n"), convert_options=csv.ConvertOptions(include_columns=["id", "amount"]))
""")),
    # ---- dirty_rows
    Case("no duration", "dirty_rows", cell("""
import pandas as pd
pd.to_timedelta(pd.Series(["3 min", "soon"]))
""")),
    Case("field of a CSV file is endless", "dirty_rows", cell("""
import csv, io
list(csv.reader(io.StringIO('1,ok\\n2,"' + "x" * 200_000)))
""")),
    Case("byte that is no UTF-8", "dirty_rows", cell("""
names = [name.decode("utf-8") for name in (b"Bern", b"Z\\xfcrich")]
""")),
    Case("notebook finds an implausible value", "dirty_rows", cell("""
orders = {16: 20.0, 17: 1e12}
for number, amount in orders.items():
    if amount > 1e9:
        raise ValueError(f"amount of order {number} is implausible: {amount}")
""")),
    Case("histogram of missing values", "dirty_rows", cell("""
import numpy as np
np.histogram(np.array([1.0, np.nan, 3.0]))
""")),
    Case("equations with missing values", "dirty_rows", cell("""
import numpy as np, scipy.linalg
scipy.linalg.solve(np.array([[1.0, np.nan], [0.0, 1.0]]), np.ones(2))
""")),
    Case("no number, says babel", "dirty_rows", cell("""
from babel.numbers import parse_decimal
prices = [parse_decimal(text, locale="de") for text in ("12,50", "12,50 EUR")]
""")),
    Case("no base64", "dirty_rows", cell("""
import base64
[base64.b64decode(text) for text in ("YWJj", "YWJ")]
""")),
    # ---- resource
    Case("archive written to a full disk", "resource", cell("""
import gzip, os
with gzip.open("/dev/full", "wb") as file:
    file.write(os.urandom(200_000))
""")),
    Case("SQLite file grows beyond the limit", "resource", process("""
import resource, sqlite3, tempfile
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with tempfile.TemporaryDirectory() as folder:
    con = sqlite3.connect(f"{folder}/a.db")
    con.execute("create table t (x text)")
    con.executemany("insert into t values (?)", [("x" * 1000,)] * 100)
    con.commit()
""", text=True)),
    Case("ended at the limit of file size", "resource", process("""
import resource, signal, tempfile
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with tempfile.TemporaryFile() as file:
    file.write(bytes(100_000))
    file.flush()
""")),
    Case("notebook finds too little memory", "resource", cell("""
free, needed = 2, 40
if free < needed:
    raise RuntimeError(f"only {free} GB of memory are free, the join needs {needed} GB")
""")),
    Case("no room for a file set aside", "resource", cell("""
import os, tempfile
with tempfile.TemporaryFile(dir=".") as file:
    os.posix_fallocate(file.fileno(), 0, 1 << 43)
""")),
    # ---- kernel_death
    Case("abort told by faulthandler", "kernel_death", process(
        "import faulthandler, os; faulthandler.enable(); print('begun'); os.abort()", text=True
    )),
    Case("notebook tells that its worker died", "kernel_death", cell("""
import os
from multiprocessing import get_context
worker = get_context("fork").Process(target=os.abort)
worker.start()
worker.join()
if worker.exitcode:
    raise RuntimeError(f"loader stopped unexpectedly (exit code {worker.exitcode})")
""")),
    Case("worker process is killed amid a map", "kernel_death", cell("""
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    list(pool.map(signal.raise_signal, [signal.SIGKILL]))
""")),
    Case("program ends by a segmentation fault", "kernel_death", cell("""
import subprocess
subprocess.run(["sh", "-c", "kill -SEGV $$"], check=True)
""")),
    # ---- timeout
    Case("wait_for, raised anew", "timeout", cell("""
import asyncio
class TrainingError(Exception):
    pass
async def train():
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.05)
    except asyncio.TimeoutError as error:
        raise TrainingError("training has no result") from error
await train()
""")),
    Case("notebook finds that time is used up", "timeout", cell("""
minutes, limit = 31, 30
if minutes > limit:
    raise RuntimeError(f"grid search used up its {limit} minutes")
""")),
    Case("notebook's TimeoutError for a process", "timeout", cell("""
import time
from multiprocessing import get_context
worker = get_context("fork").Process(target=time.sleep, args=(9,))
worker.start()
worker.join(0.05)
if worker.is_alive():
    worker.kill()
    raise TimeoutError("simulation still running after 0.05 s")
""")),
    Case("step beyond its limit, reading", "timeout", process("import os; os.read(os.pipe()[0], 1)", seconds=0.2)),
    # ---- environment
    Case("notebook finds an old Python", "environment", cell("""
import sys
if sys.version_info < (3, 99):
    raise RuntimeError(f"needs Python 3.99, this is {sys.version_info.major}.{sys.version_info.minor}")
""")),
    Case("notebook finds no pandoc", "environment", cell("""
import shutil
if shutil.which("pandoc-of-ours") is None:
    raise RuntimeError("pandoc-of-ours is not available on this machine")
""")),
    Case("plots without a screen", "environment", cell("""
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
plt.switch_backend("TkAgg")
""")),
    Case("distribution is not installed", "environment", cell("""
from importlib.metadata import version
version("acme-models")
""")),
    Case("variable is not set, raised anew", "environment", cell("""
import os
class SettingsError(Exception):
    pass
try:
    password = os.environ["CRM_PASSWORD"]
except KeyError as error:
    raise SettingsError("no password for the CRM") from error
""")),
    # ---- code_bug
    Case("mail sent before connecting", "code_bug", cell("""
import smtplib
smtplib.SMTP().sendmail("etl@example.org", ["team@example.org"], "report")
""")),
    Case("answer read before asking", "code_bug", cell("""
import http.client
http.client.HTTPConnection("127.0.0.1").getresponse()
""")),
    Case("socket that does not wait", "code_bug", cell("""
import socket
a, b = socket.socketpair()
with a, b:
    a.setblocking(False)
    a.recv(10)
""")),
    Case("notebook's own check of an argument", "code_bug", cell("""
def fetch(url, timeout):
    if timeout <= 0:
        raise ValueError(f"connection timeout must be positive, got {timeout}")
fetch(URL, -1)
""")),
    Case("no such score", "code_bug", cell("""
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
cross_val_score(LinearRegression(), [[1.0], [2.0], [3.0], [4.0]], [1, 2, 3, 4], cv=2, scoring="acuracy")
""")),
    Case("array of another size", "code_bug", cell("""
import numpy as np
np.arange(6).reshape(4)
""")),
    Case("no such solver", "code_bug", cell("""
from scipy.optimize import minimize
minimize(lambda x: x[0] ** 2, [1.0], method="gradient")
""")),
    # It was labelled a code bug, until a name that a library has done away with became one of the surroundings.
    Case("method that pandas has no more", "environment", cell("""
import pandas as pd
pd.DataFrame({"a": [1]}).append({"a": 2}, ignore_index=True)
""")),
    Case("no such level", "code_bug", cell("""
import logging
logging.getLogger("etl").setLevel("VERBOSE")
""")),
    Case("arguments of the kernel", "code_bug", cell("""
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, required=True)
parser.parse_args(["--dept=3x"])
""")),
    Case("lock released twice", "code_bug", cell("""
import threading
lock = threading.Lock()
lock.release()
""")),
    Case("generator ends by StopIteration", "code_bug", cell("""
def pairs(rows):
    rows = iter(rows)
    while True:
        yield next(rows), next(rows)
list(pairs([1, 2, 3]))
""")),
    Case("coroutine not awaited", "code_bug", cell("""
async def load():
    return [1]
load()[0]
""")),
    Case("value refers to itself", "code_bug", cell("""
import json
node = {}
node["parent"] = node
json.dumps(node)
""")),
    Case("tenacity tries a bug again", "code_bug", cell("""
import tenacity
@tenacity.retry(stop=tenacity.stop_after_attempt(2))
def rates(pairs):
    return pairs + 1
rates(["EURUSD"])
""")),
    Case("bug in a loop that tries again", "code_bug", cell("""
settings = {"url": URL}
def fetch():
    for attempt in range(3):
        try:
            return settings["urls"]
        except Exception as error:
            last = error
    raise RuntimeError("service failed, gave up after 3 attempts") from last
fetch()
""")),
    Case("table is created twice", "code_bug", cell("""
import duckdb
con = duckdb.connect()
con.execute("create table totals (a int)")
con.execute("create table totals (a int)")
""")),
]  # fmt: skip

FOURTH = [
    # ---- transient
    Case("timeout, told anew by the handler", "transient", cell("""
import requests
class ExtractionError(Exception):
    pass
try:
    requests.get(URL + "/slow", timeout=0.1)
except requests.Timeout:
    raise ExtractionError("the API gave up on us")
""")),
    Case("502, told anew by the handler", "transient", cell("""
import httpx
class ExtractionError(Exception):
    pass
try:
    httpx.get(URL + "/502/rates", trust_env=False).raise_for_status()
except httpx.HTTPStatusError as error:
    raise ExtractionError(f"rates: {error.response.status_code}")
""")),
    Case("gave up after a loop of tries", "transient", cell("""
import requests
for attempt in range(2):
    try:
        requests.get(URL + "/reset")
    except requests.RequestException as error:
        last = error
raise RuntimeError(f"giving up after 2 attempts: {last!r}")
""")),
    Case("DuckDB file open in another process", "transient", cell("""
import subprocess, sys, duckdb
holder = subprocess.Popen(
    [sys.executable, "-c", "import duckdb; c = duckdb.connect('held.duckdb'); print(1, flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)
holder.stdout.readline()
try:
    duckdb.connect("held.duckdb")
finally:
    holder.communicate(b"x")
""")),
    Case("no free connection in the pool", "transient", cell("""
import httpx
with httpx.Client(limits=httpx.Limits(max_connections=1), timeout=httpx.Timeout(5, pool=0.05), trust_env=False) as client:
    with client.stream("GET", URL + "/200"):
        client.get(URL + "/200")
""")),
    Case("stream ends too early", "transient", cell(_TALK + """
import asyncio
reader, writer = await asyncio.open_connection("127.0.0.1", talk("hello"))
writer.write(b"go" + bytes([10]))
await reader.readexactly(100)
""")),
    Case("download cut short", "transient", cell("""
import urllib.request
urllib.request.urlretrieve(URL + "/cut/orders.csv", "orders.csv")
""")),
    # ---- data_access
    Case("no page of that day", "data_access", cell("""
pages = {"2020-12-23": "<html/>"}
day = "2020-12-24"
if day not in pages:
    raise ValueError(f"No downloaded page for {day}")
""")),
    Case("pandas reads a URL that answers 404", "data_access", cell("""
import pandas as pd
pd.read_json(URL + "/404/orders.json")
""")),
    Case("zip archive lacks the file", "data_access", cell("""
import zipfile
with zipfile.ZipFile("daily.zip", "w") as archive:
    archive.writestr("readme.txt", "nothing today")
with zipfile.ZipFile("daily.zip") as archive, archive.open("orders.csv") as file:
    file.read()
""")),
    Case("tar archive lacks the file", "data_access", cell("""
import tarfile
with tarfile.open("daily.tar", "w"):
    pass
with tarfile.open("daily.tar") as archive:
    archive.extractfile("orders.csv")
""")),
    Case("stored features are cut short", "data_access", cell("""
import joblib, numpy as np
joblib.dump(np.zeros(100_000), "features.joblib")
whole = open("features.joblib", "rb").read()
open("features.joblib", "wb").write(whole[:5000])
joblib.load("features.joblib")
""")),
    Case("picture is cut short", "data_access", cell("""
import io
from PIL import Image
file = io.BytesIO()
Image.effect_noise((200, 200), 50).save(file, "png")
Image.open(io.BytesIO(file.getvalue()[:5000])).load()
""")),
    Case("nobody listens there, raised anew", "data_access", cell("""
import requests
class SourceError(Exception):
    pass
try:
    requests.get("http://127.0.0.1:9/orders")
except requests.RequestException as error:
    raise SourceError("orders") from error
""")),
    # ---- schema_change
    Case("attribute of a tuple of a frame is gone", "schema_change", cell("""
import pandas as pd
frame = pd.DataFrame({"id": [1], "amount_eur": [2]})
total = sum(order.amount for order in frame.itertuples())
""")),
    Case("item of a SQLite row is gone", "schema_change", cell("""
import sqlite3
crm = sqlite3.connect(":memory:")
crm.row_factory = sqlite3.Row
found = crm.execute("select 1 as id, 'a' as full_name").fetchone()
found["name"]
""")),
    Case("nested records are gone", "schema_change", cell("""
import pandas as pd
pd.json_normalize([{"id": 1, "positions": []}], record_path="items")
""")),
    Case("attribute of an XML element is gone", "schema_change", cell("""
import xml.etree.ElementTree as ET
tree = ET.fromstring('<orders><order id="1" price_eur="2"/></orders>')
prices = [float(order.attrib["price"]) for order in tree]
""")),
    Case("column to sort by is gone", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"id": [1], "day": [2]}).sort_values("date")
""")),
    Case("pyarrow column is gone", "schema_change", cell("""
import pyarrow as pa
pa.table({"id": [1], "amount_eur": [2]})["amount"]
""")),
    Case("notebook's own check of a header", "schema_change", cell("""
header = "id;amount_eur;day"
if header != "id;amount;day":
    raise RuntimeError(f"unexpected header in orders.csv: {header}")
""")),
    # ---- dirty_rows
    Case("word in a column of integers", "dirty_rows", cell("""
import pandas as pd
pd.Series(["1", "2", "n/a"]).astype("int64")
""")),
    Case("no such month", "dirty_rows", cell("""
import pandas as pd
pd.to_datetime(pd.Series(["31/12/2024", "31/31/2024"]), format="%d/%m/%Y")
""")),
    Case("empty text among numbers", "dirty_rows", cell("""
import numpy as np
np.array(["1.5", ""]).astype(float)
""")),
    Case("broken line, read one by one", "dirty_rows", cell("""
import json
for line in ['{"id": 1}', '{"id": 2,']:
    json.loads(line)
""")),
    Case("notebook finds no date", "dirty_rows", cell("""
records = [{"date": "2020-05-01T00:00"}, {"date": None}]
for record in records:
    if not record["date"]:
        raise ValueError(f"Date is invalid: {record['date']}")
""")),
    Case("time stamp beyond all years", "dirty_rows", cell("""
from datetime import datetime
[datetime.fromtimestamp(seconds) for seconds in (1_700_000_000, 1_700_000_000_000)]
""")),
    Case("keys to merge by are missing", "dirty_rows", cell("""
import pandas as pd
left = pd.DataFrame({"t": [1.0, None], "a": [1, 2]})
pd.merge_asof(left, pd.DataFrame({"t": [1.0, 2.0], "b": [1, 2]}), on="t")
""")),
    Case("days doubled", "dirty_rows", cell("""
import pandas as pd
sales = pd.Series([1, 2, 3], index=["mon", "mon", "tue"])
sales.reindex(["mon", "tue", "wed"])
""")),
    # ---- resource
    Case("text too large for memory", "resource", cell("""
report = "x" * (1 << 60)
""")),
    Case("killed for the memory of a copy", "resource", process("""
import time
data = bytes(40_000_000)
while True:
    data = data + data[:5_000_000]
    time.sleep(0.002)
""", limit=150_000_000)),
    Case("too many sockets", "resource", cell("""
import resource, socket
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
try:
    links = [socket.socket() for _ in range(400)]
finally:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
""")),
    # ---- kernel_death
    Case("floating point exception", "kernel_death", process("import os, signal; os.kill(os.getpid(), signal.SIGFPE)")),
    Case("bus error told by faulthandler", "kernel_death", process(
        "import faulthandler, os, signal; faulthandler.enable(); os.kill(os.getpid(), signal.SIGBUS)", text=True
    )),
    Case("a worker process dies, raised anew", "kernel_death", cell("""
import os
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    try:
        pool.submit(os.abort).result()
    except BrokenExecutor as error:
        raise RuntimeError("scoring failed") from error
""")),
    Case("notebook tells that its program was killed", "kernel_death", cell("""
import subprocess
solver = subprocess.Popen(["sh", "-c", "kill -KILL $$"])
if solver.wait() < 0:
    raise RuntimeError(f"solver was killed by signal {-solver.returncode}")
""")),
    # ---- timeout
    Case("program too slow, told anew by the handler", "timeout", cell("""
import subprocess
try:
    subprocess.run(["sleep", "9"], timeout=0.05)
except subprocess.TimeoutExpired:
    raise RuntimeError("no solution yet")
""")),
    Case("alarm clock with an error of its own", "timeout", cell("""
import signal, time
class StepTimeout(Exception):
    pass
def late(signum, frame):
    raise StepTimeout("features")
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(5)
""")),
    Case("asyncio.timeout, raised anew", "timeout", cell("""
import asyncio
class StepFailed(Exception):
    pass
try:
    async with asyncio.timeout(0.05):
        await asyncio.sleep(9)
except TimeoutError as error:
    raise StepFailed("features") from error
""")),
    Case("step beyond its limit, in a library", "timeout", process(
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')", seconds=0.2
    )),
    # ---- environment
    Case("plugin is not installed, raised anew", "environment", cell("""
import importlib
try:
    importlib.import_module("prophet")
except ImportError as error:
    raise RuntimeError("no model of that kind") from error
""")),
    Case("program is not installed, raised anew", "environment", cell("""
import subprocess
def forecast():
    try:
        subprocess.check_output(["Rscript-of-ours", "forecast.R"])
    except OSError as error:
        raise RuntimeError("no forecast") from error
forecast()
""")),
    Case("engine is not installed", "environment", cell("""
import pandas as pd
pd.read_parquet("orders.parquet", engine="fastparquet")
""")),
    Case("backend of plots is not installed", "environment", cell("""
import pandas as pd
pd.Series([1, 2]).plot(backend="hvplot")
""")),
    Case("notebook finds no graphics card", "environment", cell("""
cards = []
if not cards:
    raise RuntimeError("a GPU is needed, but none was found")
""")),
    Case("nbconvert finds no pandoc", "environment", cell("""
import os
from nbconvert.utils import pandoc
path = os.environ["PATH"]
os.environ["PATH"] = ""
try:
    pandoc.clean_cache()
    pandoc.pandoc("*a*", "markdown", "rst")
finally:
    os.environ["PATH"] = path
""")),
    # ---- code_bug
    Case("database opened twice in two ways", "code_bug", cell("""
import duckdb
a = duckdb.connect("two.duckdb")
b = duckdb.connect("two.duckdb", config={"threads": 1})
""")),
    Case("misspelled method in a group", "code_bug", cell("""
import pandas as pd
pd.DataFrame({"a": [1, 1], "b": [2, 3]}).groupby("a").apply(lambda group: group["b"].summ())
""")),
    Case("one row instead of a table", "code_bug", cell("""
from sklearn.linear_model import LinearRegression
LinearRegression().fit([[1.0], [2.0]], [1, 2]).predict([3.0])
""")),
    Case("no list of frames", "code_bug", cell("""
import pandas as pd
pd.concat(pd.DataFrame({"a": [1]}))
""")),
    Case("no such mode", "code_bug", cell("""
open("report.txt", "rw")
""")),
    Case("sleep of a negative time", "code_bug", cell("""
import time
deadline = time.time() - 5
time.sleep(deadline - time.time())
""")),
    Case("method that the service does not know", "code_bug", cell("""
import requests
requests.get(URL + "/405/orders").raise_for_status()
""")),
    Case("event loop runs already", "code_bug", cell("""
import asyncio
asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))
""")),
    Case("two statements at once", "code_bug", cell("""
import sqlite3
sqlite3.connect(":memory:").execute("create table a (i int); create table b (i int)")
""")),
    Case("bug in a joblib worker", "code_bug", cell("""
import joblib
joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(divmod)(1, n) for n in (1, 0))
""")),
    Case("bug in a handler of a 503", "code_bug", cell("""
import requests
reply = requests.get(URL + "/503")
try:
    reply.raise_for_status()
except requests.HTTPError as error:
    print(error.response.jsn())
""")),
    Case("index beyond the array", "code_bug", cell("""
import numpy as np
np.zeros(3)[5]
""")),
    Case("file copied to itself", "code_bug", cell("""
import shutil
open("same.txt", "w").close()
shutil.copy("same.txt", "same.txt")
""")),
    Case("folder is there already", "code_bug", cell("""
import os
os.makedirs("reports")
os.makedirs("reports")
""")),
    Case("timeout of three parts", "code_bug", cell("""
import requests
requests.get(URL + "/slow", timeout=(1, 2, 3))
""")),
]  # fmt: skip

FIFTH = [
    # ---- transient
    Case("SQLite is locked while a frame is stored", "transient", cell("""
import sqlite3, pandas as pd
a, b = (sqlite3.connect("totals.db", timeout=0, isolation_level=None) for _ in range(2))
a.execute("create table if not exists t (i int)")
a.execute("begin immediate")
try:
    pd.DataFrame({"i": [1]}).to_sql("t", b, if_exists="append", index=False)
finally:
    a.execute("rollback")
""")),
    Case("urllib, 503, in a function of a module", "transient", cell("""
import sys, pathlib, importlib
pathlib.Path("sources.py").write_text(
    "import urllib.request\\ndef rates(url):\\n    with urllib.request.urlopen(url + '/503') as reply:\\n        return reply.read()\\n"
)
sys.path.insert(0, "")
importlib.invalidate_caches()
import sources
sources.rates(URL)
""")),
    Case("proxy of a websocket answers 502", "transient", cell("""
import websocket
websocket.create_connection(URL.replace("http", "ws") + "/502/feed")
""")),
    Case("read timeout among gathered requests", "transient", cell("""
import asyncio, httpx
async def fetch(path):
    async with httpx.AsyncClient(trust_env=False, timeout=0.1) as client:
        return (await client.get(URL + path)).text
await asyncio.gather(fetch("/slow/a"), fetch("/slow/b"))
""")),
    Case("mail server asks to come back later", "transient", cell(_TALK + """
import smtplib
smtplib.SMTP("127.0.0.1", talk("421 4.3.2 service not available"))
""")),
    Case("notebook tells of a rate limit", "transient", cell("""
import requests
reply = requests.get(URL + "/429/rates")
if reply.status_code == 429:
    raise RuntimeError("rate limit reached, come back in a minute")
""")),
    # ---- data_access
    Case("numpy reads a missing file", "data_access", cell("""
import numpy as np
np.loadtxt("sensors/today.txt")
""")),
    Case("empty CSV file", "data_access", cell("""
import pandas as pd
open("nothing.csv", "w").close()
pd.read_csv("nothing.csv")
""")),
    Case("DuckDB reads a file that is no parquet", "data_access", cell("""
import duckdb
with open("page.parquet", "w") as file:
    file.write("<html>please log in</html>")
duckdb.sql("select * from 'page.parquet'").fetchall()
""")),
    Case("401 from pandas", "data_access", cell("""
import pandas as pd
pd.read_csv(URL + "/401/prices.csv")
""")),
    Case("FTP login refused", "data_access", cell(_TALK + """
import ftplib
ftp = ftplib.FTP()
ftp.connect("127.0.0.1", talk("220 ready", "331 password?", "530 Login incorrect."))
ftp.login("etl", "secret")
""")),
    Case("archive is none", "data_access", cell("""
import tarfile
with open("daily.tgz", "w") as file:
    file.write("<html>please log in</html>" * 50)
tarfile.open("daily.tgz")
""")),
    Case("notebook finds no file of the day", "data_access", cell("""
from pathlib import Path
files = list(Path("landing").glob("orders_2024-05-01*.parquet"))
if not files:
    raise RuntimeError("no files for 2024-05-01 in landing")
""")),
    # ---- schema_change
    Case("column of a frame is gone", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1], "amount_eur": [2]})
orders["net"] = orders["amount"] / 1.19
""")),
    Case("DuckDB table is gone", "schema_change", cell("""
import duckdb
duckdb.connect().execute("select * from orders_v2")
""")),
    Case("model expects more features", "schema_change", cell("""
from sklearn.linear_model import LinearRegression
LinearRegression().fit([[1.0, 2.0], [2.0, 1.0]], [1, 2]).predict([[3.0]])
""")),
    Case("field of a reply is gone", "schema_change", cell("""
import json
reply = json.loads('{"data": {"results": []}}')
items = reply["data"]["items"]
""")),
    Case("columns to melt are gone", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"id": [1], "jan": [2]}).melt(id_vars=["shop"])
""")),
    Case("pyarrow batches differ", "schema_change", cell("""
import pyarrow as pa
a = pa.record_batch({"id": [1]})
b = pa.record_batch({"id": ["1"]})
pa.Table.from_batches([a, b])
""")),
    Case("notebook's own check of types", "schema_change", cell("""
import pandas as pd
frame = pd.DataFrame({"amount": ["1", "2"]})
if not pd.api.types.is_numeric_dtype(frame["amount"]):
    raise TypeError(f"column amount should be numeric but is {frame['amount'].dtype}")
""")),
    # ---- dirty_rows
    Case("word where DuckDB casts a number", "dirty_rows", cell("""
import duckdb
duckdb.sql("select cast(x as int) from (values ('1'), ('n/a')) t(x)").fetchall()
""")),
    Case("missing values into an estimator", "dirty_rows", cell("""
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
Ridge().fit(np.array([[1.0], [np.nan]]), [1, 2])
""")),
    Case("category that was not there before", "dirty_rows", cell("""
from sklearn.preprocessing import LabelEncoder
LabelEncoder().fit(["N", "S"]).transform(["N", "E"])
""")),
    Case("day of a row is no date", "dirty_rows", cell("""
from datetime import date
days = [date.fromisoformat(text) for text in ("2024-05-01", "01.05.2024")]
""")),
    Case("address of a row is none", "dirty_rows", cell("""
import ipaddress
hosts = [ipaddress.ip_address(text) for text in ("10.0.0.1", "10.0.0.256")]
""")),
    Case("check of a table fails", "dirty_rows", cell("""
import sqlite3
shop = sqlite3.connect(":memory:")
shop.execute("create table orders (amount int check (amount >= 0))")
shop.execute("insert into orders values (-1)")
""")),
    Case("notebook finds doubled keys", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1, 1, 2]})
doubled = orders["id"].duplicated().sum()
if doubled:
    raise ValueError(f"{doubled} duplicated order ids")
""")),
    # ---- resource
    Case("cross join too large for memory", "resource", cell("""
import numpy as np, pandas as pd
pd.DataFrame(np.broadcast_to(np.float64(1), (2_000_000, 2_000_000)).copy())
""")),
    Case("log written to a full disk", "resource", cell("""
import shutil, io
with open("/dev/full", "wb", buffering=0) as log:
    shutil.copyfileobj(io.BytesIO(bytes(1000)), log)
""")),
    Case("killed for the memory of a frame", "resource", process("""
import array, time
columns = []
while True:
    columns.append(array.array("d", bytes(2_000_000)))
    time.sleep(0.001)
""", limit=110_000_000)),
    Case("memory runs out in a thread", "resource", cell("""
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    pool.submit(lambda: [0] * (1 << 60)).result()
""")),
    Case("no room for an Arrow buffer", "resource", cell("""
import pyarrow as pa
pa.allocate_buffer(1 << 60)
""")),
    # ---- kernel_death
    Case("killed in the middle of a write", "kernel_death", process("""
import os, tempfile
with tempfile.TemporaryFile() as file:
    file.write(b"x")
    os.kill(os.getpid(), 9)
""")),
    Case("worker processes of a map are gone", "kernel_death", cell("""
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    print(list(pool.map(os._exit, [1, 2])))
""")),
    Case("ended with a status of its own", "kernel_death", process("import os; os._exit(17)")),
    Case("notebook tells that its training crashed", "kernel_death", cell("""
import subprocess, sys
training = subprocess.run([sys.executable, "-c", "import os; os.abort()"], stderr=subprocess.DEVNULL)
if training.returncode < 0:
    raise RuntimeError(f"training process crashed with signal {-training.returncode}")
""")),
    # ---- timeout
    Case("program without an answer", "timeout", cell("""
import subprocess
process = subprocess.Popen(["sleep", "20"])
try:
    process.communicate(timeout=0.05)
finally:
    process.kill()
    process.wait()
""")),
    Case("simulation beyond its limit", "timeout", cell("""
import asyncio
async def simulate():
    while True:
        await asyncio.sleep(0.01)
async with asyncio.timeout(0.05):
    await simulate()
""")),
    Case("futures of a map unfinished", "timeout", cell("""
import time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
try:
    list(pool.map(time.sleep, [0.3, 0.3], timeout=0.05))
finally:
    pool.shutdown(wait=False)
""")),
    Case("notebook stops its own long loop", "timeout", cell("""
import time
begun = time.monotonic()
while True:
    if time.monotonic() - begun > 0.05:
        raise TimeoutError("parameter search exceeded its time")
""")),
    Case("step beyond its limit, waiting for a program", "timeout", process(
        "import subprocess; subprocess.run(['sleep', '2'])", seconds=0.2
    )),
    # ---- environment
    Case("package in a function is not installed", "environment", cell("""
def explain(model):
    import shap
    return shap.Explainer(model)
explain(None)
""")),
    Case("part of a package is missing", "environment", cell("""
from sklearn.experimental import enable_warp_drive
""")),
    Case("variables are not set, told together", "environment", cell("""
import os
missing = [name for name in ("CRM_USER", "CRM_TOKEN") if name not in os.environ]
if missing:
    raise SystemError(f"missing environment variables: {', '.join(missing)}")
""")),
    Case("program is not on the path", "environment", cell("""
import subprocess
subprocess.Popen(["quarto-of-ours", "render"])
""")),
    Case("program is there but broken", "environment", cell("""
import subprocess
subprocess.run(["sh", "-c", "./run-of-ours.sh"], check=True, stderr=subprocess.DEVNULL)
""")),
    # ---- code_bug
    Case("name used before it is made", "code_bug", cell("""
print(model.score)
model = None
""")),
    Case("too few arguments", "code_bug", cell("""
def split(frame, share):
    return frame[: int(len(frame) * share)]
split([1, 2, 3])
""")),
    Case("list has no such method", "code_bug", cell("""
scores = [1, 2]
scores.push(3)
""")),
    Case("matrices do not fit", "code_bug", cell("""
import numpy as np
np.ones((2, 3)) @ np.ones((2, 3))
""")),
    Case("key of settings is misspelled", "code_bug", cell("""
settings = {"learning_rate": 0.1, "retries": 3}
rate = settings["lerning_rate"]
""")),
    Case("brackets do not close", "code_bug", cell("""
print((1 + 2)
""")),
    Case("text and number", "code_bug", cell("""
total = 3
print("total: " + total)
""")),
    Case("frame gets too many values", "code_bug", cell("""
import pandas as pd
frame = pd.DataFrame({"a": [1, 2, 3]})
frame["b"] = [1, 2]
""")),
    Case("query names no function", "code_bug", cell("""
import sqlite3
sqlite3.connect(":memory:").execute("select date_trunc('day', '2024-01-01')")
""")),
    Case("read from a file that is only written", "code_bug", cell("""
with open("out.txt", "w") as file:
    file.read()
""")),
    Case("a reset connection is not what the handler thinks", "code_bug", cell("""
import httpx
try:
    httpx.get(URL + "/reset", trust_env=False)
except httpx.TransportError as error:
    print("failed with status " + error.response.status_code)
""")),
    Case("argument of an own function is wrong", "code_bug", cell("""
def retry(call, times):
    if times < 1:
        raise ValueError("times must be at least 1, or the service is never tried again")
retry(print, 0)
""")),
    Case("unpacked into too few names", "code_bug", cell("""
from statistics import linear_regression
slope, intercept, error = linear_regression([1, 2], [3, 4])
""")),
    Case("no such parameter of a plot", "code_bug", cell("""
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
plt.plot([1], [2], colour="red")
""")),
    Case("invariant of a split", "code_bug", cell("""
rows, train, test = 10, 7, 2
assert train + test == rows, "connection between train and test lost"
""")),
]  # fmt: skip
