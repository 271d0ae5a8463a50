"""Thirty failures that production notebooks meet most often, each labelled by somebody who had not seen the rules or the other lists.

Written from what incident reviews tell: deliveries that are late or changed, locked and absent databases, bad rows, full disks, changed
packages, and slips in the code. Each is a notebook that nbops executes in a folder of its own, and each cell really raises.
"""

from __future__ import annotations

from tests.failures.production import Notebook

# A REST API in the notebook's own process; `answer` gets the request's handler and writes what the API would.
_API = """
import http.server, os, threading
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
def api(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)
        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
def status(code, body):
    def answer(request):
        request.send_response(code)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
    return answer
"""

TRANSIENT = [
    Notebook("the price API is overloaded for a moment", "transient", _API + """
url = api(status(503, b'{"message": "Service Unavailable"}'))
# %%
import requests
response = requests.get(f"{url}/v1/prices", params={"day": "2026-11-21"}, timeout=30)
response.raise_for_status()
prices = response.json()
"""),
    Notebook("another job is writing to the reporting database", "transient", """
import sqlite3
import pandas as pd
other = sqlite3.connect("reporting.db", isolation_level=None)
other.execute("create table loads (day text)")
other.execute("begin immediate")
# %%
daily = pd.DataFrame({"day": ["2026-11-20", "2026-11-21"], "revenue": [1204.5, 998.0]})
with sqlite3.connect("reporting.db", timeout=0.2) as reporting:
    daily.to_sql("daily_revenue", reporting, if_exists="append", index=False)
"""),
    Notebook("the download breaks off half way", "transient", _API + """
def half(request):
    request.send_response(200)
    request.send_header("Content-Type", "text/csv")
    request.send_header("Content-Length", "5000000")
    request.end_headers()
    request.wfile.write(b"order_id,amount\\n" + b"1001,19.90\\n" * 2000)
url = api(half)
# %%
from pathlib import Path
import requests
response = requests.get(f"{url}/export/orders.csv", timeout=30)
response.raise_for_status()
Path("orders.csv").write_bytes(response.content)
"""),
]  # fmt: skip

DATA_ACCESS = [
    Notebook("last night's delivery is not on the share", "data_access", """
import datetime
import pandas as pd
day = datetime.date(2026, 11, 21)
# %%
sales = pd.read_csv(f"/mnt/finance/deliveries/sales_{day:%Y%m%d}.csv", parse_dates=["sold_at"])
sales.groupby("store").amount.sum()
"""),
    Notebook("the API's token has expired", "data_access", _API + """
url = api(status(401, b'{"error": "invalid_token", "error_description": "The access token expired"}'))
# %%
import requests
session = requests.Session()
session.headers["Authorization"] = "Bearer eyJhbGciOi"
response = session.get(f"{url}/v2/accounts", timeout=30)
response.raise_for_status()
accounts = response.json()["accounts"]
"""),
    Notebook("no store has sent a file, so there is nothing to put together", "data_access", """
from pathlib import Path
import pandas as pd
inbox = Path("inbox")
inbox.mkdir()
# %%
files = sorted(inbox.glob("store_*_20261121.csv"))
sales = pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
"""),
    Notebook("the upload of a Parquet file was cut off", "data_access", """
from pathlib import Path
import pandas as pd
pd.DataFrame({"order_id": range(5000), "amount": [9.5] * 5000}).to_parquet("orders.parquet")
whole = Path("orders.parquet").read_bytes()
Path("orders.parquet").write_bytes(whole[: len(whole) // 2])
# %%
orders = pd.read_parquet("orders.parquet")
orders.amount.sum()
"""),
    Notebook("nothing listens where the warehouse was", "data_access", """
import socket
with socket.create_server(("127.0.0.1", 0)) as gone:
    port = gone.getsockname()[1]
# %%
import adbc_driver_postgresql.dbapi as driver
with driver.connect(f"postgresql://etl:secret@127.0.0.1:{port}/sales") as warehouse, warehouse.cursor() as cursor:
    cursor.execute("select store, sum(amount) from orders group by store")
    revenue = cursor.fetch_arrow_table()
"""),
]  # fmt: skip

SCHEMA_CHANGE = [
    Notebook("the supplier now separates by semicolons", "schema_change", """
from pathlib import Path
Path("invoices.csv").write_text("invoice;customer;amount\\n" + "".join(f"{n};C{n % 7};{n}.5\\n" for n in range(200)))
# %%
import pandas as pd
invoices = pd.read_csv("invoices.csv")
revenue = invoices.groupby("customer")["amount"].sum()
"""),
    Notebook("a table of the warehouse was renamed", "schema_change", """
import duckdb
with duckdb.connect("warehouse.duckdb") as warehouse:
    warehouse.execute("create table orders_v2 as select range as order_id, 9.5 as amount from range(100)")
# %%
with duckdb.connect("warehouse.duckdb", read_only=True) as warehouse:
    orders = warehouse.sql("select order_id, amount from orders where amount > 5").df()
"""),
    Notebook("customer numbers have become text", "schema_change", """
from pathlib import Path
import pandas as pd
orders = pd.DataFrame({"customer_id": [1001, 1002, 1003], "amount": [10.0, 12.5, 7.0]})
Path("customers.csv").write_text("customer_id,segment\\nC-1001,retail\\nC-1002,retail\\nC-1003,trade\\n")
# %%
customers = pd.read_csv("customers.csv")
enriched = orders.merge(customers, on="customer_id", how="left")
"""),
    Notebook("the API nests its answer in another way", "schema_change", _API + """
url = api(status(200, b'{"meta": {"version": 3, "page": 1}, "data": {"records": [{"sku": "A1", "stock": 4}]}}'))
# %%
import pandas as pd
import requests
response = requests.get(f"{url}/stock", timeout=30)
response.raise_for_status()
stock = pd.DataFrame(response.json()["data"]["items"])
"""),
]  # fmt: skip

DIRTY_ROWS = [
    Notebook("a comment with a comma in it was not quoted", "dirty_rows", """
from pathlib import Path
rows = [f"{n},2026-11-21,fine,4" for n in range(1500)]
rows[1207] = "1207,2026-11-21,late, but friendly,2"
Path("ratings.csv").write_text("id,day,comment,stars\\n" + "\\n".join(rows) + "\\n")
# %%
import pandas as pd
ratings = pd.read_csv("ratings.csv")
ratings.stars.mean()
"""),
    Notebook("some amounts are written the German way", "dirty_rows", """
from pathlib import Path
rows = [f"{n}|{n}.90" for n in range(500)]
rows[311] = "311|1.234,56"
Path("bookings.txt").write_text("booking|amount\\n" + "\\n".join(rows) + "\\n")
# %%
import pandas as pd
bookings = pd.read_csv("bookings.txt", sep="|", dtype=str)
bookings["amount"] = bookings["amount"].astype(float)
"""),
    Notebook("income is missing for some applicants", "dirty_rows", """
import numpy as np
import pandas as pd
rng = np.random.default_rng(0)
applicants = pd.DataFrame({"age": rng.integers(18, 80, 400), "income": rng.normal(40000, 9000, 400)})
applicants["default"] = rng.integers(0, 2, 400)
applicants.loc[[17, 203], "income"] = np.nan
# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
model = make_pipeline(StandardScaler(), LogisticRegression())
model.fit(applicants[["age", "income"]], applicants["default"])
"""),
    Notebook("an order was delivered twice", "dirty_rows", """
from pathlib import Path
import duckdb
Path("orders.csv").write_text("order_id,amount\\n" + "".join(f"{n},9.5\\n" for n in [*range(300), 42]))
warehouse = duckdb.connect("warehouse.duckdb")
warehouse.execute("create table orders (order_id integer primary key, amount double)")
# %%
warehouse.execute("insert into orders select order_id, amount from read_csv('orders.csv')")
"""),
    Notebook("some orders have a quantity below nought", "dirty_rows", """
import pandas as pd
orders = pd.DataFrame({"order_id": range(200), "quantity": [3] * 197 + [-1, -4, -1]})
# %%
negative = orders[orders["quantity"] < 0]
if len(negative):
    raise ValueError(f"{len(negative)} of {len(orders)} orders have a negative quantity, the first is {negative.order_id.iloc[0]}")
"""),
]  # fmt: skip

RESOURCE = [
    Notebook("every order is joined with every other beyond the memory of the job", "resource", """
import resource
from pathlib import Path
import pandas as pd
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
_, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29), hard))
# %%
orders = pd.DataFrame({"order_id": range(20000), "amount": [9.5] * 20000})
pairs = orders.merge(orders, how="cross", suffixes=("", "_other"))
"""),
    Notebook("the volume for exports is full", "resource", """
from pathlib import Path
import pandas as pd
Path("export").mkdir()
Path("export/scores.csv").symlink_to("/dev/full")
# %%
scores = pd.DataFrame({"customer": range(50000), "score": [0.25] * 50000})
scores.to_csv("export/scores.csv", index=False)
"""),
]  # fmt: skip

KERNEL_DEATH = [
    Notebook("the machine kills the process without a word", "kernel_death", """
import os, subprocess
import numpy as np
subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {os.getpid()}"])
# %%
matrix = np.random.default_rng(0).normal(size=(400, 400))
while True:
    values = np.linalg.eigvalsh(matrix @ matrix.T)
"""),
]  # fmt: skip

TIMEOUT = [
    Notebook("the partner's flag file never comes", "timeout", """
import time
from pathlib import Path
# %%
while not Path("inbox/_SUCCESS").exists():
    time.sleep(0.5)
""", 4.0),
    Notebook("the forecasting service thinks too long", "timeout", _API + """
url = api(lambda request: threading.Event().wait(20))
# %%
import requests
forecast = requests.get(f"{url}/forecast", params={"horizon": 28}, timeout=(3, 1)).json()
"""),
]  # fmt: skip

CODE_BUG = [
    Notebook("a name that only a cell long deleted had made", "code_bug", """
import pandas as pd
daily = pd.DataFrame({"day": pd.date_range("2026-11-01", periods=21), "revenue": range(21)})
# %%
weekly = daily_sales.resample("W", on="day")["revenue"].sum()
"""),
    Notebook("local time is subtracted from UTC", "code_bug", """
import pandas as pd
events = pd.DataFrame({"sent": pd.to_datetime(["2026-11-21 23:10", "2026-11-21 23:40"], utc=True)})
# %%
events["age"] = pd.Timestamp.now() - events["sent"]
stale = events[events["age"] > pd.Timedelta(hours=6)]
"""),
    Notebook("the summary has numbers that JSON does not know", "code_bug", """
import json
from pathlib import Path
import pandas as pd
orders = pd.DataFrame({"order_id": range(200), "items": [2] * 200})
# %%
summary = {"orders": len(orders), "items": orders["items"].sum()}
Path("summary.json").write_text(json.dumps(summary))
"""),
    Notebook("a date with slashes becomes part of the file's name", "code_bug", """
import datetime
import pandas as pd
report = pd.DataFrame({"store": ["A", "B"], "revenue": [120.0, 80.5]})
day = datetime.date(2026, 11, 21)
# %%
report.to_csv(f"report_{day:%d/%m/%Y}.csv", index=False)
"""),
    Notebook("probabilities are scored as if they were classes", "code_bug", """
import numpy as np
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 3))
y = (x[:, 0] + rng.normal(size=300) > 0).astype(int)
model = LogisticRegression().fit(x[:200], y[:200])
# %%
from sklearn.metrics import accuracy_score
accuracy = accuracy_score(y[200:], model.predict_proba(x[200:])[:, 1])
"""),
]  # fmt: skip

ENVIRONMENT = [
    Notebook("the warehouse's client is not installed on the new machine", "environment", """
import pandas as pd
import snowflake.connector
# %%
connection = snowflake.connector.connect(account="acme", user="etl")
"""),
    Notebook("the job's secrets were not passed on", "environment", """
import os
import requests
# %%
token = os.environ["CRM_API_TOKEN"]
session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"
"""),
    Notebook("an update of SciPy took a function away", "environment", """
import numpy as np
from scipy.integrate import simps
# %%
area = simps(np.linspace(0, 1, 11), dx=0.1)
"""),
]  # fmt: skip

FOURTH = [
    *TRANSIENT, *DATA_ACCESS, *SCHEMA_CHANGE, *DIRTY_ROWS, *RESOURCE, *KERNEL_DEATH, *TIMEOUT, *CODE_BUG, *ENVIRONMENT,
]  # fmt: skip
