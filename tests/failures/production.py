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
