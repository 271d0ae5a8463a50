"""Thirty failures of notebooks in production, each labelled before the rules saw it, in the words of the one who is called at night.

Written when the rules had been frozen for months, without sight of them, and of kinds that the other lists have not. Each is a notebook
that nbops executes: the class is what is kept with the run.

The rules as they were told 19 of the 30 in the first run, and called no code bug anything that is tried again. Ten of the other eleven
were called code bugs (the renamed feature and sheet, the hour that is not, the missing forecast, words and Fahrenheit, `ulimit -f`, the
queue, the graphics card and the driver), and the leap day dirty rows. They have taught the rules since.
"""

from __future__ import annotations

from typing import NamedTuple

from nbops.failures import FailureClass


class Notebook(NamedTuple):
    """What it is to a person, its cells with `# %%` between them, and the seconds that nbops gives a cell."""

    name: str
    label: FailureClass
    source: str
    limit: float | None = None


# A database server that answers whoever connects with one error, as PostgreSQL's protocol has it.
_POSTGRES = """
import socket, struct, threading
def postgres(code, message):
    listener = socket.create_server(("127.0.0.1", 0))
    fields = f"SFATAL\\0VFATAL\\0C{code}\\0M{message}\\0\\0".encode()
    def serve():
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                if code == "28P01":
                    connection.sendall(b"R" + struct.pack("!ii", 8, 3))
                    connection.recv(4096)
                connection.sendall(b"E" + struct.pack("!i", 4 + len(fields)) + fields)
    threading.Thread(target=serve, daemon=True).start()
    return f"postgresql://etl:secret@127.0.0.1:{listener.getsockname()[1]}/sales?sslmode=disable&gssencmode=disable"
"""

TRANSIENT = [
    Notebook("the study's database is locked by another trial", "transient", """
import sqlite3
import optuna
optuna.logging.disable_default_handler()
storage = optuna.storages.RDBStorage("sqlite:///study.db", engine_kwargs={"connect_args": {"timeout": 0.05}})
study = optuna.create_study(storage=storage, study_name="depth")
# %%
other = sqlite3.connect("study.db", isolation_level=None)
other.execute("begin exclusive")
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
"""),
    Notebook("PostgreSQL is just starting up", "transient", _POSTGRES + """
warehouse = postgres("57P03", "the database system is starting up")
# %%
import adbc_driver_postgresql.dbapi as driver
with driver.connect(warehouse) as connection, connection.cursor() as cursor:
    cursor.execute("call refresh_orders()")
"""),
    Notebook("the feed of prices goes away in the middle", "transient", """
import base64, hashlib, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
def feed():
    connection, _ = listener.accept()
    with connection:
        lines = connection.recv(4096).decode().splitlines()
        key = next(line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", "", ""]
        connection.sendall(chr(13).join(chr(10) + line if n else line for n, line in enumerate(head)).encode() + b"\\x81\\x0412.5")
threading.Thread(target=feed, daemon=True).start()
# %%
import websocket
prices = []
feed = websocket.create_connection(f"ws://127.0.0.1:{listener.getsockname()[1]}/prices")
while len(prices) < 100:
    prices.append(float(feed.recv()))
"""),
]  # fmt: skip

DATA_ACCESS = [
    Notebook("the export belongs to another user", "data_access", """
import os
import pandas as pd
pd.DataFrame({"id": [1]}).to_csv("export.csv", index=False)
os.chmod("export.csv", 0)
# %%
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
try:
    orders = pd.read_csv("export.csv")
finally:
    os.seteuid(os.getuid())
    os.setegid(os.getgid())
"""),
    Notebook("the supplier's workbook is a page to log in", "data_access", """
import pandas as pd
with open("prices.xlsx", "w") as file:
    file.write("<!DOCTYPE html><html><body>Your session has expired</body></html>" * 20)
# %%
prices = pd.read_excel("prices.xlsx")
"""),
    Notebook("the warehouse refuses the password", "data_access", _POSTGRES + """
warehouse = postgres("28P01", 'password authentication failed for user "etl"')
# %%
import adbc_driver_postgresql.dbapi as driver
connection = driver.connect(warehouse)
"""),
]  # fmt: skip

SCHEMA_CHANGE = [
    Notebook("the booster was trained on other columns", "schema_change", """
import numpy as np
import pandas as pd
import xgboost
past = pd.DataFrame({"distance": np.arange(20.0), "hour": np.arange(20) % 24})
model = xgboost.XGBRegressor(n_estimators=2).fit(past, past["distance"] * 2)
# %%
today = pd.DataFrame({"distance_km": [3.0], "hour": [4]})
model.predict(today)
"""),
    Notebook("the service calls a field by another name", "schema_change", """
from pydantic import BaseModel
class Quote(BaseModel):
    symbol: str
    price: float
replies = [{"symbol": "AA", "last_price": 12.5}, {"symbol": "UA", "last_price": 31.0}]
# %%
quotes = [Quote.model_validate(reply) for reply in replies]
"""),
    Notebook("the sheet of the workbook was renamed", "schema_change", """
import pandas as pd
pd.DataFrame({"shop": ["N"], "sales": [3]}).to_excel("sales.xlsx", sheet_name="Sales 2026", index=False)
# %%
sales = pd.read_excel("sales.xlsx", sheet_name="Sales")
"""),
    Notebook("a column of the customers' table was renamed", "schema_change", """
import pandas as pd
import sqlalchemy
crm = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
with crm.begin() as connection:
    connection.execute(sqlalchemy.text("create table customers (id integer, region_code text)"))
# %%
with crm.connect() as connection:
    rows = connection.execute(sqlalchemy.text("select id, region from customers where id > :least"), {"least": 3}).all()
"""),
]  # fmt: skip

DIRTY_ROWS = [
    Notebook("a sensor noted an hour that the clock change left out", "dirty_rows", """
import pandas as pd
readings = pd.DataFrame({"at": pd.to_datetime(["2026-03-29 01:30", "2026-03-29 02:30", "2026-03-29 03:30"]), "value": [1, 2, 3]})
# %%
readings["at"] = readings["at"].dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC")
"""),
    Notebook("a missing forecast among those to be delivered", "dirty_rows", """
import requests
forecasts = [{"shop": "N", "sales": 31.5}, {"shop": "S", "sales": float("nan")}]
# %%
requests.post("http://127.0.0.1:9/forecasts", json=forecasts, timeout=5).raise_for_status()
"""),
    Notebook("some amounts of a lazy frame are words", "dirty_rows", """
import polars as pl
orders = pl.LazyFrame({"id": [1, 2, 3], "amount": ["12", "n/a", "7"]})
# %%
total = orders.with_columns(pl.col("amount").cast(pl.Int64)).select(pl.col("amount").sum()).collect()
"""),
    Notebook("one station reports in Fahrenheit", "dirty_rows", """
import pandas as pd
weather = pd.DataFrame({"station": ["JFK", "LGA", "EWR"], "temp_c": [12.5, 11.0, 71.6]})
# %%
assert weather["temp_c"].max() < 60, f"station {weather.loc[weather.temp_c.idxmax(), 'station']} seems to report in Fahrenheit"
"""),
]  # fmt: skip

RESOURCE = [
    Notebook("shared memory for the workers is larger than there is", "resource", """
from multiprocessing import shared_memory
import numpy as np
rows, columns = 40_000_000_000, 2_000
# %%
block = shared_memory.SharedMemory(create=True, size=rows * columns * 8)
features = np.ndarray((rows, columns), buffer=block.buf)
"""),
    Notebook("DuckDB's export grows beyond ulimit -f", "resource", """
import resource
import duckdb
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
# %%
try:
    duckdb.sql("copy (select range as i, hash(range) as h from range(500_000)) to 'features.parquet'")
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
"""),
    Notebook("the user may not have another process", "resource", """
import os, resource, subprocess
most = resource.getrlimit(resource.RLIMIT_NPROC)
# %%
# The limit does not hold for root.
before = os.getresuid()
if before[0] == 0:
    os.setresuid(65534, 65534, 0)
resource.setrlimit(resource.RLIMIT_NPROC, (1, most[1]))
try:
    subprocess.run(["gzip", "--version"], check=True)
finally:
    os.setresuid(*before)
    resource.setrlimit(resource.RLIMIT_NPROC, most)
"""),
]  # fmt: skip

KERNEL_DEATH = [
    Notebook("a window reads beyond its array", "kernel_death", """
import resource
import numpy as np
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
prices = np.arange(1000.0)
# %%
windows = np.lib.stride_tricks.as_strided(prices, shape=(10**6, 24), strides=(2**20, 8))
windows.mean(axis=1)
"""),
    Notebook("the machine is shut down for the night", "kernel_death", """
import os, subprocess, sys, time
# %%
subprocess.Popen([sys.executable, "-c", f"import os; os.kill({os.getpid()}, 15)"])
time.sleep(30)
"""),
]  # fmt: skip

TIMEOUT = [
    Notebook("a service accepts the request and never answers", "timeout", """
import socket
listener = socket.create_server(("127.0.0.1", 0))
address = f"http://127.0.0.1:{listener.getsockname()[1]}/rates"
import requests
# %%
rates = requests.get(address).json()
""", limit=2),
    Notebook("the worker puts nothing into the queue in time", "timeout", """
import multiprocessing, time
queue = multiprocessing.get_context("fork").Queue()
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(3,), daemon=True)
worker.start()
# %%
try:
    result = queue.get(timeout=0.2)
finally:
    worker.kill()
"""),
]  # fmt: skip

ENVIRONMENT = [
    Notebook("trained for a graphics card that is not here", "environment", """
import lightgbm
import numpy as np
rows = np.arange(400.0).reshape(200, 2)
# %%
model = lightgbm.LGBMRegressor(device_type="cuda", n_estimators=2, verbose=-1).fit(rows, rows[:, 0])
"""),
    Notebook("the figure cannot become a picture", "environment", """
import plotly.graph_objects as go
figure = go.Figure(go.Bar(x=["N", "S"], y=[3, 4]))
# %%
figure.write_image("sales.png")
"""),
    Notebook("SQLAlchemy has no driver for the warehouse", "environment", """
import pandas as pd
import sqlalchemy
# %%
warehouse = sqlalchemy.create_engine("snowflake://etl:secret@acme/sales")
orders = pd.read_sql("select * from orders", warehouse)
"""),
]  # fmt: skip

CODE_BUG = [
    Notebook("a year later there is no such day", "code_bug", """
from datetime import date
def renewal(begun):
    return begun.replace(year=begun.year + 1)
# %%
contracts = [date(2027, 3, 1), date(2028, 2, 29)]
renewals = [renewal(begun) for begun in contracts]
"""),
    Notebook("a file is renamed to another file system", "code_bug", """
from pathlib import Path
Path("report.html").write_text("<p>12 flights</p>")
# %%
Path("report.html").rename("/dev/shm/report.html")
"""),
    Notebook("the token still has its end of line", "code_bug", """
import requests
from pathlib import Path
Path("token.txt").write_text("s3cret\\n")
# %%
token = Path("token.txt").read_text()
requests.get("http://127.0.0.1:9/orders", headers={"Authorization": f"Bearer {token}"}, timeout=5)
"""),
    Notebook("the memory limit is given in no unit", "code_bug", """
import duckdb
# %%
con = duckdb.connect(config={"memory_limit": "4 gigs"})
con.execute("select 1")
"""),
    Notebook("the way to start processes is set twice", "code_bug", """
import multiprocessing
multiprocessing.set_start_method("spawn")
# %%
multiprocessing.set_start_method("fork")
"""),
    Notebook("the pickled scaler's class was in another notebook", "code_bug", """
import pickle
class Scaler:
    def __init__(self, mean):
        self.mean = mean
with open("scaler.pkl", "wb") as file:
    pickle.dump(Scaler(3.0), file)
del Scaler
# %%
with open("scaler.pkl", "rb") as file:
    scaler = pickle.load(file)
"""),
]  # fmt: skip

PRODUCTION = [
    *TRANSIENT, *DATA_ACCESS, *SCHEMA_CHANGE, *DIRTY_ROWS, *RESOURCE, *KERNEL_DEATH, *TIMEOUT, *ENVIRONMENT, *CODE_BUG,
]  # fmt: skip

LATER = [
    Notebook("the server hangs up in the middle of an upload", "transient", """
import socket, struct, threading
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
threading.Thread(target=serve, daemon=True).start()
# %%
import requests
requests.put(f"http://127.0.0.1:{listener.getsockname()[1]}/forecasts.csv", data=b"x" * 50_000_000, timeout=20)
"""),
    Notebook("the server of shared features goes away in a call", "transient", """
import os, time
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
class Features:
    def of(self, customer):
        os.kill(os.getpid(), 9)
class Shared(BaseManager):
    pass
Shared.register("features", Features)
shared = Shared(ctx=get_context("fork"))
shared.start()
features = shared.features()
# %%
features.of(12)
"""),
    Notebook("PostgreSQL has too many clients", "transient", _POSTGRES + """
warehouse = postgres("53300", "sorry, too many clients already")
# %%
import adbc_driver_postgresql.dbapi as driver
connection = driver.connect(warehouse)
"""),
    Notebook("a stream ends in the middle of a message", "transient", """
import asyncio
async def send_half(reader, writer):
    writer.write(b"x" * 40)
    await writer.drain()
    writer.close()
server = await asyncio.start_server(send_half, "127.0.0.1", 0)
# %%
reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
message = await reader.readexactly(100)
"""),
    Notebook("the download is not what its checksum says", "data_access", """
import hashlib
body, promised = b"id,amount" * 100, "9f86d081884c7d659a2feaa0c55ad015"
# %%
found = hashlib.md5(body).hexdigest()
if found != promised:
    raise ValueError(f"checksum mismatch for orders.csv: expected {promised}, got {found}")
"""),
    Notebook("Spark left a folder where a file was", "data_access", """
import os
import pandas as pd
os.makedirs("orders.csv")
open("orders.csv/part-00000.csv", "w").write("id,amount\\n1,2\\n")
# %%
orders = pd.read_csv("orders.csv")
"""),
    Notebook("the link to the newest export points at itself", "data_access", """
import os
os.symlink("latest.json", "latest.json")
# %%
import json
with open("latest.json") as file:
    export = json.load(file)
"""),
    Notebook("the supplier's archive wants a password", "data_access", """
import zipfile
with zipfile.ZipFile("prices.zip", "w") as archive:
    archive.writestr("prices.csv", "id,price")
whole = bytearray(open("prices.zip", "rb").read())
whole[6] |= 1
whole[whole.index(b"PK\\x01\\x02") + 8] |= 1
open("prices.zip", "wb").write(whole)
# %%
with zipfile.ZipFile("prices.zip") as archive:
    prices = archive.read("prices.csv")
"""),
    Notebook("a column that the schema asks for is gone", "schema_change", """
import pandas as pd
import pandera.pandas as pa
schema = pa.DataFrameSchema({"id": pa.Column(int), "amount": pa.Column(float)})
# %%
orders = schema.validate(pd.DataFrame({"id": [1, 2], "amount_eur": [2.5, 3.0]}))
"""),
    Notebook("a lazy query asks for a column that is gone", "schema_change", """
import polars as pl
pl.DataFrame({"origin": ["JFK"], "delay_minutes": [3]}).write_parquet("flights.parquet")
# %%
delays = pl.scan_parquet("flights.parquet").group_by("origin").agg(pl.col("delay").mean()).collect()
"""),
    Notebook("the service answers with one record instead of lists", "schema_change", """
import json
import pandas as pd
reply = '{"id": 12, "name": "N", "sales": 3.5}'
# %%
sales = pd.DataFrame(json.loads(reply))
"""),
    Notebook("a file has fewer columns than it had", "schema_change", """
import io
import pandas as pd
export = io.StringIO("1;JFK;3\\n2;LGA;5\\n")
# %%
flights = pd.read_csv(export, sep=";", header=None)
delays = flights.iloc[:, 3]
"""),
    Notebook("a class with one row cannot be split", "dirty_rows", """
import numpy as np
from sklearn.model_selection import train_test_split
rows, churned = np.arange(40.0).reshape(20, 2), np.array([1] + [0] * 19)
# %%
train, test = train_test_split(rows, stratify=churned, random_state=0)
"""),
    Notebook("an order's number outgrows its column", "dirty_rows", """
import pandas as pd
import pyarrow as pa
orders = pd.DataFrame({"id": [12, 3_000_000_000], "amount": [1.0, 2.0]})
# %%
table = pa.Table.from_pandas(orders, schema=pa.schema({"id": pa.int32(), "amount": pa.float64()}))
"""),
    Notebook("a day twice in a series that is reindexed", "dirty_rows", """
import pandas as pd
sales = pd.Series([3, 4, 5], index=pd.to_datetime(["2026-11-01", "2026-11-02", "2026-11-02"]))
# %%
sales = sales.reindex(pd.date_range("2026-11-01", "2026-11-05"), fill_value=0)
"""),
    Notebook("two objects on a line of JSON lines", "dirty_rows", """
import io
import pandas as pd
events = io.StringIO('{"id": 1}\\n{"id": 2}{"id": 3}\\n')
# %%
frame = pd.read_json(events, lines=True)
"""),
    Notebook("the kernel reaches ulimit -t", "resource", """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1, resource.RLIM_INFINITY))
# %%
total = 0
while True:
    total += 1
"""),
    Notebook("DuckDB may not spill as much as a sort needs", "resource", """
import duckdb
con = duckdb.connect(config={"memory_limit": "20MB", "threads": 1, "max_temp_directory_size": "1MB"})
# %%
con.execute("create table sorted as select range as i, hash(range)::varchar as h from range(2_000_000) order by h")
"""),
    Notebook("polars asks for more memory than there is", "resource", """
import resource
import polars as pl
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
# %%
rows = pl.int_range(0, 400_000_000_000_000, eager=True)
"""),
    Notebook("nested data is too deep for the interpreter", "kernel_death", """
import resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.setrecursionlimit(10**7)
tree = []
for _ in range(10**6):
    tree = [tree]
# %%
text = repr(tree)
"""),
    Notebook("a C library frees memory twice", "kernel_death", """
import ctypes, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
# %%
block = libc.malloc(5000)
libc.malloc(16)
libc.free(block)
libc.free(block)
"""),
    Notebook("the notebook stops its own long query of DuckDB", "timeout", """
import threading
import duckdb
con = duckdb.connect()
# %%
watch = threading.Timer(0.3, con.interrupt)
watch.start()
con.execute("select count(*) from range(1_000_000_000) a, range(1_000) b where hash(a.range) = hash(b.range) + 1").fetchall()
"""),
    Notebook("the notebook stops its own long query of SQLite", "timeout", """
import sqlite3, time
con = sqlite3.connect(":memory:")
deadline = time.monotonic() + 0.3
con.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
# %%
con.execute("with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n").fetchone()
"""),
    Notebook("the service's user has no home", "environment", """
import os
from pathlib import Path
os.environ["HOME"] = "/proc/nonexistent"
# %%
cache = Path.home() / ".cache" / "models"
cache.mkdir(parents=True, exist_ok=True)
"""),
    Notebook("a model was pickled by a newer Python", "environment", """
open("model.pkl", "wb").write(b"\\x80\\x09]\\x94.")
# %%
import pickle
with open("model.pkl", "rb") as file:
    model = pickle.load(file)
"""),
    Notebook("the browser for the screenshots was not installed", "environment", """
import os
os.environ["PLAYWRIGHT_BROWSERS_PATH"] = os.path.abspath("browsers")
# %%
from playwright.async_api import async_playwright
async with async_playwright() as driver:
    browser = await driver.chromium.launch()
"""),
    Notebook("the objective of a booster is misspelled", "code_bug", """
import lightgbm
import numpy as np
rows = np.arange(400.0).reshape(200, 2)
# %%
model = lightgbm.LGBMRegressor(objective="regresion", n_estimators=2, verbose=-1).fit(rows, rows[:, 0])
"""),
    Notebook("an address of S3 is given to requests", "code_bug", """
import requests
# %%
orders = requests.get("s3://acme-landing/orders/2026-11-22.json", timeout=5).json()
"""),
    Notebook("columns of unequal lengths are put together", "code_bug", """
import polars as pl
weeks = pl.DataFrame({"week": [1, 2, 3]})
# %%
weeks.with_columns(sales=pl.Series([3.5, 4.0]))
"""),
    Notebook("a query reads a list of rows", "code_bug", """
import duckdb
orders = [{"id": 1, "amount": 2.0}]
# %%
total = duckdb.sql("select sum(amount) from orders").fetchone()
"""),
]  # fmt: skip
"""Thirty more, labelled when the rules had been mended for the first thirty, by one who knew them by then.

The rules told 15 of them in their first run, and called no code bug anything that is tried again; they have learnt from ten since.
"""
