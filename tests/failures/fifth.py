"""Thirty failures that the notebooks of data scientists meet most often, by somebody who had not seen the rules.

Each was labelled from the words of the nine classes alone, and is a notebook in the form of the production list: the libraries
raise what they raise, and what a cell needs is laid out by the notebook itself. Two were exchanged before nbops saw any, as plain
Python did not fail in them as meant (an empty `in ()`, which DuckDB takes, and an old Excel file, which calamine reads).
"""

from __future__ import annotations

from tests.failures.production import Notebook

# A service on this machine that gives every request to `answer`.
_API = """
import http.server, threading
def api(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)
        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
"""

TRANSIENT = [
    Notebook("the exchange rates do not come within the seconds that the request waits", "transient", _API + """
rates = api(lambda request: threading.Event().wait(60))
# %%
import requests
today = requests.get(f"{rates}/v1/latest", params={"base": "EUR"}, timeout=0.5).json()
"""),
    Notebook("the service is overloaded, also after three tries", "transient", _API + """
def overloaded(request):
    request.send_response(503)
    request.send_header("Content-Length", "0")
    request.end_headers()
crm = api(overloaded)
# %%
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry
session = requests.Session()
session.mount("http://", HTTPAdapter(max_retries=Retry(total=3, backoff_factor=0.01, status_forcelist=[502, 503, 504])))
# %%
contacts = session.get(f"{crm}/contacts", timeout=5).json()
"""),
    Notebook("the download of the export breaks off in the middle", "transient", _API + """
def half(request):
    request.send_response(200)
    request.send_header("Content-Type", "text/csv")
    request.send_header("Content-Length", "5000000")
    request.end_headers()
    request.wfile.write(b"day,amount\\n" + b"2026-11-20,12.50\\n" * 100)
    request.close_connection = True
shop = api(half)
# %%
import requests
with requests.get(f"{shop}/export/orders.csv", stream=True, timeout=5) as response, open("orders.csv", "wb") as file:
    response.raise_for_status()
    for chunk in response.iter_content(chunk_size=65536):
        file.write(chunk)
"""),
    Notebook("a dashboard has the warehouse's file open", "transient", """
import subprocess, sys
dashboard = subprocess.Popen(
    [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect('warehouse.duckdb'); print('open', flush=True); sys.stdin.read()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
dashboard.stdout.readline()
# %%
import duckdb
with duckdb.connect("warehouse.duckdb") as warehouse:
    warehouse.execute("create or replace table daily as select 1 as orders")
"""),
]  # fmt: skip

DATA_ACCESS = [
    Notebook("the supplier delivered no file last night", "data_access", """
from pathlib import Path
Path("incoming").mkdir()
# %%
import pandas as pd
deliveries = sorted(Path("incoming").glob("stock_2026-11-21_*.csv"))
stock = pd.concat([pd.read_csv(path, sep=";") for path in deliveries], ignore_index=True)
"""),
    Notebook("the token of the API has expired", "data_access", _API + """
def expired(request):
    body = b'{"error": "invalid_token", "error_description": "The access token expired"}'
    request.send_response(401)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
crm = api(expired)
# %%
import requests
response = requests.get(f"{crm}/v2/accounts", headers={"Authorization": "Bearer eyJhbGciOi"}, timeout=5)
response.raise_for_status()
accounts = response.json()["accounts"]
"""),
    Notebook("the file share of the finance department is not mounted", "data_access", """
import polars as pl
day = "2026-11-21"
# %%
ledger = pl.read_csv(f"/mnt/finance/ledger/{day}.csv", separator=";")
ledger.group_by("account").agg(pl.col("amount").sum())
"""),
    Notebook("the Parquet file of the nightly export is cut off", "data_access", """
import pyarrow as pa
import pyarrow.parquet as pq
pq.write_table(pa.table({"order_id": range(10000), "amount": [12.5] * 10000}), "orders.parquet")
with open("orders.parquet", "r+b") as file:
    file.truncate(2000)
# %%
import pandas as pd
orders = pd.read_parquet("orders.parquet")
"""),
]  # fmt: skip

SCHEMA_CHANGE = [
    Notebook("the CSV delivery has another name for the customer", "schema_change", """
with open("orders.csv", "w") as file:
    file.write("order_id,cust_no,amount\\n1,77,12.50\\n2,78,8.00\\n")
# %%
import pandas as pd
orders = pd.read_csv("orders.csv", usecols=["order_id", "customer_id", "amount"])
"""),
    Notebook("the API wraps its answer in another object since its new version", "schema_change", _API + """
def answer(request):
    body = b'{"meta": {"version": "3.0"}, "data": {"orders": [{"id": 1, "amount": 12.5}]}}'
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
shop = api(answer)
# %%
import pandas as pd
import requests
response = requests.get(f"{shop}/orders", timeout=5)
response.raise_for_status()
orders = pd.DataFrame(response.json()["orders"])
"""),
    Notebook("the staging table was renamed in the warehouse", "schema_change", """
import sqlite3
warehouse = sqlite3.connect("warehouse.db")
warehouse.execute("create table stg_orders_v2 (order_id integer, amount real)")
# %%
import pandas as pd
orders = pd.read_sql("select order_id, amount from stg_orders", warehouse)
"""),
    Notebook("the article number is text since November", "schema_change", """
import polars as pl
pl.DataFrame({"article": [4711, 4712], "sold": [3, 9]}).write_parquet("sales_2026-10.parquet")
pl.DataFrame({"article": ["4711-A", "4712-B"], "sold": [2, 7]}).write_parquet("sales_2026-11.parquet")
# %%
sales = pl.concat([pl.read_parquet(f"sales_{month}.parquet") for month in ("2026-10", "2026-11")])
"""),
]  # fmt: skip

DIRTY_ROWS = [
    Notebook("one line of the delivery has an unquoted comma in the name", "dirty_rows", """
with open("customers.csv", "w") as file:
    file.write("id,name,city\\n1,Miller,Basel\\n2,Huber, Sons and Co,Bern\\n3,Keller,Zug\\n")
# %%
import pandas as pd
customers = pd.read_csv("customers.csv")
"""),
    Notebook("one order has the date of nothing", "dirty_rows", """
with open("orders.csv", "w") as file:
    file.write("id,ordered\\n1,2026-11-20\\n2,0000-00-00\\n3,2026-11-21\\n")
# %%
import pandas as pd
orders = pd.read_csv("orders.csv")
orders["ordered"] = pd.to_datetime(orders["ordered"], format="%Y-%m-%d")
"""),
    Notebook("a customer is twice in the master data", "dirty_rows", """
import pandas as pd
pd.DataFrame({"order_id": [1, 2, 3], "customer_id": [10, 11, 10]}).to_csv("orders.csv", index=False)
pd.DataFrame({"customer_id": [10, 11, 11], "segment": ["A", "B", "C"]}).to_csv("customers.csv", index=False)
# %%
orders, customers = pd.read_csv("orders.csv"), pd.read_csv("customers.csv")
orders = orders.merge(customers, on="customer_id", how="left", validate="many_to_one")
"""),
    Notebook("the training data has gaps since last night", "dirty_rows", """
with open("flats.csv", "w") as file:
    file.write("rooms,area,rent\\n3,80,2100\\n2,,1700\\n4,110,2900\\n1,35,1100\\n")
# %%
import pandas as pd
from sklearn.linear_model import LinearRegression
flats = pd.read_csv("flats.csv")
model = LinearRegression().fit(flats[["rooms", "area"]], flats["rent"])
"""),
]  # fmt: skip

RESOURCE = [
    Notebook("the disk is full when the nightly export is written", "resource", """
import os
os.symlink("/dev/full", "export.csv")  # a device on which nothing has room
# %%
import pandas as pd
orders = pd.DataFrame({"order_id": range(50000), "amount": 12.5})
orders.to_csv("export.csv", index=False)
"""),
    Notebook("one column for each customer does not fit into memory", "resource", """
import numpy as np
import pandas as pd
visits = pd.DataFrame({"customer_id": np.arange(1_000_000), "pages": 3})
# %%
from sklearn.preprocessing import OneHotEncoder
features = OneHotEncoder(sparse_output=False).fit_transform(visits[["customer_id"]])
"""),
]  # fmt: skip

KERNEL_DEATH = [
    Notebook("somebody or something killed the process in the middle of training", "kernel_death", """
import os, subprocess
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
X, y = make_classification(n_samples=200, random_state=7)
# %%
model = RandomForestClassifier(n_estimators=5, random_state=7).fit(X, y)
subprocess.run(["kill", "-9", str(os.getpid())])
score = model.score(X, y)
"""),
]  # fmt: skip

TIMEOUT = [
    Notebook("the export script takes longer than the job allows it", "timeout", """
with open("export.py", "w") as file:
    file.write("import time\\nfor part in range(600):\\n    time.sleep(0.1)\\n")
# %%
import subprocess, sys
subprocess.run([sys.executable, "export.py"], check=True, timeout=1)
"""),
]  # fmt: skip

CODE_BUG = [
    Notebook("the connection is closed before it is used", "code_bug", """
import duckdb
def warehouse():
    with duckdb.connect("warehouse.duckdb") as connection:
        connection.execute("create table if not exists orders (day date, amount double)")
        return connection
# %%
revenue = warehouse().execute("select day, sum(amount) from orders group by day").df()
"""),
    Notebook("the request's timeout is text", "code_bug", """
import os
RATES = os.environ.get("RATES_URL", "http://127.0.0.1:8099")
TIMEOUT = os.environ.get("RATES_TIMEOUT", "10")
# %%
import requests
rates = requests.get(f"{RATES}/v1/latest", timeout=TIMEOUT).json()
"""),
    Notebook("the path of a category never arrives at its root", "code_bug", """
parents = {"shirts": "clothes", "clothes": "goods", "goods": "root"}
def path(category):
    parent = parents.get(category, "root")
    return f"{path(parent)} / {category}"
# %%
paths = {category: path(category) for category in parents}
"""),
    Notebook("the sums are a series, and are asked for their column", "code_bug", """
import pandas as pd
pd.DataFrame({"day": ["2026-11-20", "2026-11-21"], "amount": [12.5, 8.0]}).to_csv("orders.csv", index=False)
# %%
orders = pd.read_csv("orders.csv")
revenue = orders.groupby("day")["amount"].sum()
good_days = revenue[revenue["amount"] > 10]
"""),
    Notebook("times in UTC are compared with a midnight of nowhere", "code_bug", """
import pandas as pd
pd.DataFrame({"at": ["2026-10-31T23:30:00", "2026-11-01T00:30:00"], "clicks": [4, 7]}).to_csv("events.csv", index=False)
# %%
events = pd.read_csv("events.csv", parse_dates=["at"])
events["at"] = events["at"].dt.tz_localize("UTC")
november = events[events["at"] >= pd.Timestamp("2026-11-01")]
"""),
    Notebook("the gaps are dropped from the features and not from the target", "code_bug", """
with open("customers.csv", "w") as file:
    file.write("age,spend,churned\\n31,120,0\\n44,,1\\n52,80,0\\n27,15,1\\n")
# %%
import pandas as pd
from sklearn.linear_model import LogisticRegression
customers = pd.read_csv("customers.csv")
features = customers[["age", "spend"]].dropna()
model = LogisticRegression().fit(features, customers["churned"])
"""),
    Notebook("the query asks for a day that it does not group by", "code_bug", """
import duckdb
warehouse = duckdb.connect()
warehouse.execute("create table sales as select 'Bern' as store, date '2026-11-20' as day, 12.5 as amount")
# %%
daily = warehouse.execute("select store, day, sum(amount) as revenue from sales group by store").df()
"""),
]  # fmt: skip

ENVIRONMENT = [
    Notebook("the writer of formatted Excel files is not installed", "environment", """
import pandas as pd
revenue = pd.DataFrame({"store": ["Bern", "Zug"], "revenue": [1250.0, 980.0]})
# %%
with pd.ExcelWriter("revenue.xlsx", engine="xlsxwriter") as workbook:
    revenue.to_excel(workbook, sheet_name="November", index=False)
"""),
    Notebook("the password of the warehouse is not set on the new machine", "environment", """
import os
user = os.environ.get("WAREHOUSE_USER", "etl")
password = os.environ["WAREHOUSE_PASSWORD"]
# %%
import sqlalchemy
engine = sqlalchemy.create_engine(f"postgresql://{user}:{password}@warehouse:5432/sales")
"""),
    Notebook("the model was saved with an older scikit-learn", "environment", """
with open("churn.joblib", "wb") as file:  # what 1.6 wrote for the columns that remain, reduced to the class's name
    file.write(b"csklearn.compose._column_transformer\\n_RemainderColsList\\n.")
# %%
import joblib
model = joblib.load("churn.joblib")
"""),
]  # fmt: skip

FIFTH = [
    *TRANSIENT,
    *DATA_ACCESS,
    *SCHEMA_CHANGE,
    *DIRTY_ROWS,
    *RESOURCE,
    *KERNEL_DEATH,
    *TIMEOUT,
    *CODE_BUG,
    *ENVIRONMENT,
]
