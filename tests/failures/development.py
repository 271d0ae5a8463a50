"""Everyday failures by which the rules were made better, each labelled by the words of docs/failures.md before the rules were tried on it.

CELLS have `# %%` between the cells of a notebook. TOLD are what drivers and clients of clouds raise that are not installed here: their
classes and messages as their documentation and their users give them.

In the first run, before any rule was changed for them, the rules told 120 of the 269 in FILES to SERVICES and TOLD, then 65 of the 85 in
SECOND, 100 of the 114 in THIRD, all 71 of BUGS, 97 of the 108 in FOURTH and 109 of the 125 in FIFTH; eight that do not fail or may be
called otherwise were taken out. They have learnt from all of them since: these say that nothing is forgotten, not how well others are told.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from nbops.failures import Evidence, FailureClass, evidence_from_text
from tests.failures.cases import Case
from tests.failures.provoke import cell

# A server that gives every request one answer.
_HTTP = """
import http.server, threading
def serve(status, body=b""):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
# %%
"""

FILES = [
    Case("the share for exports is not mounted", "data_access", cell("""
import pandas as pd
pd.DataFrame({"a": [1]}).to_csv("/nowhere/exports/today.csv")
""")),
    Case("what is to be copied is not there", "data_access", cell("""
import pandas as pd
pd.read_csv("deliveries/today.csv").to_csv("copy.csv")
""")),
    Case("the newest file of an empty folder", "data_access", cell("""
from pathlib import Path
Path("exports").mkdir(exist_ok=True)
newest = max(Path("exports").glob("*.parquet"), key=lambda path: path.stat().st_mtime)
""")),
    Case("the last of no deliveries", "data_access", cell("""
import glob
files = sorted(glob.glob("deliveries-of-today/*.csv"))
# %%
import pandas as pd
latest = pd.read_csv(files[-1])
""")),
    Case("nothing to concatenate, read in a loop", "data_access", cell("""
import os
os.makedirs("regions", exist_ok=True)
import pandas as pd
parts = []
for name in os.listdir("regions"):
    parts.append(pd.read_csv(f"regions/{name}"))
# %%
regions = pd.concat(parts)
""")),
    Case("polars finds nothing to concatenate", "data_access", cell("""
from pathlib import Path
import polars as pl
frames = [pl.read_csv(path) for path in Path("nowhere").rglob("*.csv")]
everything = pl.concat(frames)
""")),
    Case("the arrow dataset's folder is not there", "data_access", cell("""
import pyarrow.dataset as ds
orders = ds.dataset("lake/orders/day=2026-11-21").to_table()
""")),
    Case("a gzip file is a page", "data_access", cell("""
import gzip, json
open("events.json.gz", "w").write("<html>Sign in</html>")
with gzip.open("events.json.gz", "rt") as file:
    events = [json.loads(line) for line in file]
""")),
    Case("compressed data is none", "data_access", cell("""
import zlib
rows = zlib.decompress(b"<html>Sign in</html>").decode()
""")),
    Case("the archive is damaged in the middle", "data_access", cell("""
import zipfile
with zipfile.ZipFile("orders.zip", "w") as archive:
    archive.writestr("orders.csv", "id,amount" * 100)
whole = bytearray(open("orders.zip", "rb").read())
whole[60] ^= 255
open("orders.zip", "wb").write(whole)
rows = zipfile.ZipFile("orders.zip").read("orders.csv")
""")),
    Case("the model file is not there", "data_access", cell("""
import joblib
model = joblib.load("models/churn.joblib")
""")),
    Case("the booster's file is not there", "data_access", cell("""
import xgboost
model = xgboost.Booster(model_file="models/churn.ubj")
""")),
    Case("LightGBM's model is not there", "data_access", cell("""
import lightgbm
model = lightgbm.Booster(model_file="models/churn.txt")
""")),
    Case("the database file was cut", "data_access", cell("""
import os, sqlite3
whole = sqlite3.connect("torn.db")
whole.execute("create table t (x text)")
whole.executemany("insert into t values (?)", [("x" * 500,)] * 200)
whole.commit(); whole.close()
os.truncate("torn.db", 20_000)
sqlite3.connect("torn.db").execute("select count(*), max(x) from t").fetchall()
""")),
    Case("a JSON export was cut off while it was written", "data_access", cell("""
import json
open("export.json", "w").write('[{"id": 1, "name": "Mei')
with open("export.json") as file:
    export = json.load(file)
""")),
    Case("an interface answers with its login page", "data_access", cell(_HTTP + """
crm = serve(200, b"<!DOCTYPE html><title>Sign in</title>")
# %%
import requests
customers = requests.get(f"{crm}/customers", timeout=5).json()
""")),
    Case("an interface answers with nothing", "data_access", cell(_HTTP + """
crm = serve(200)
# %%
import httpx
customers = httpx.get(f"{crm}/customers", trust_env=False).json()
""")),
    Case("a list that a filter left empty", "code_bug", cell("""
import pandas as pd
tables = [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})]
# %%
large = [table for table in tables if len(table) > 10]
both = pd.concat(large)
""")),
    Case("the best of no scores", "code_bug", cell("""
scores = {}
for depth in range(1, 1):
    scores[depth] = 0.5
# %%
best = max(scores, key=scores.get)
""")),
    Case("the last of a list that nobody filled", "code_bug", cell("""
history = []
# %%
last = history[-1]
""")),
    Case("a folder is made twice", "code_bug", cell("""
from pathlib import Path
Path("made").mkdir()
# %%
Path("made").mkdir()
""")),
    Case("a text file gets bytes", "code_bug", cell("""
with open("out.txt", "w") as file:
    file.write(b"rows")
""")),
]  # fmt: skip

ASSERTS = [
    Case("ids are not unique, says a bare assert", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1, 2, 2]})
# %%
assert orders["id"].is_unique
""")),
    Case("prices are missing, says an assert", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1, 2], "price": [2.5, None]})
# %%
assert not orders["price"].isna().any(), "there are orders without a price"
""")),
    Case("an age beyond all ages", "dirty_rows", cell("""
import pandas as pd
people = pd.DataFrame({"age": [31, 312]})
# %%
assert people["age"].between(0, 120).all()
""")),
    Case("far fewer rows than on other days", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1, 2]})
# %%
assert len(orders) >= 1000, f"only {len(orders)} orders, on other days there are thousands"
""")),
    Case("polars counts nulls", "dirty_rows", cell("""
import polars as pl
trips = pl.DataFrame({"id": [1, 2], "km": [3.5, None]})
# %%
nulls = trips["km"].null_count()
assert nulls == 0, f"{nulls} trips have no distance"
""")),
    Case("DuckDB counts doubles", "dirty_rows", cell("""
import duckdb
con = duckdb.connect()
con.execute("create table orders as select * from (values (1), (2), (2)) t(id)")
# %%
doubled = con.execute("select count(*) - count(distinct id) from orders").fetchone()[0]
assert doubled == 0
""")),
    Case("the sum is not that of the ledger", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"amount": [9.9, 12.5]})
ledger = 30.0
# %%
total = orders["amount"].sum()
assert abs(total - ledger) < 0.01, f"the orders sum up to {total}, the ledger says {ledger}"
""")),
    Case("an order of tomorrow", "dirty_rows", cell("""
import datetime as dt
import pandas as pd
orders = pd.DataFrame({"day": pd.to_datetime(["2026-11-20", "2062-11-21"])})
# %%
assert orders["day"].max() <= pd.Timestamp(dt.date(2026, 11, 22)), "orders from the future"
""")),
    Case("other columns, says an assert", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1], "amount_eur": [2.0]})
# %%
assert list(orders.columns) == ["id", "amount"]
""")),
    Case("wanted columns are not all there", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"id": [1], "amount_eur": [2.0]})
wanted = {"id", "amount"}
# %%
assert wanted <= set(orders.columns), f"not delivered: {wanted - set(orders.columns)}"
""")),
    Case("a column of another type, says an assert", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"amount": ["1", "2"]})
# %%
assert orders["amount"].dtype == "float64", f"amount is {orders['amount'].dtype}"
""")),
    Case("the newest row is old", "data_access", cell("""
import datetime as dt
newest, today = dt.date(2026, 11, 18), dt.date(2026, 11, 22)
# %%
assert (today - newest).days <= 1, f"the export is stale: its newest order is from {newest}"
""")),
    Case("nothing in the inbox, says an assert", "data_access", cell("""
from pathlib import Path
files = list(Path("inbox").glob("*.csv"))
# %%
assert files, "nothing was delivered"
""")),
    Case("the file is there, says an assert, and is not", "data_access", cell("""
import os
assert os.path.exists("landing/orders.parquet")
""")),
    Case("the interface says no, to an assert", "data_access", cell(_HTTP + """
rates = serve(403)
# %%
import requests
answer = requests.get(rates, timeout=5)
assert answer.status_code == 200, answer.text
""")),
    Case("the key is not set, says an assert", "environment", cell("""
import os
# %%
assert os.getenv("RATES_API_KEY"), "set RATES_API_KEY before running this notebook"
""")),
    Case("features and target of two lengths", "code_bug", cell("""
import numpy as np
X, y = np.ones((10, 2)), np.ones(9)
# %%
assert X.shape[0] == y.shape[0], "features and target differ in length"
""")),
    Case("a share beyond one", "code_bug", cell("""
def split(rows, share):
    assert 0 < share < 1, f"share must be between 0 and 1, is {share}"
    return rows[:int(len(rows) * share)]
# %%
split([1, 2, 3], 20)
""")),
    Case("no model", "code_bug", cell("""
model = None
# %%
assert model is not None, "train the model first"
""")),
    Case("a test of one's own function", "code_bug", cell("""
def rounded(amount):
    return int(amount)
# %%
assert rounded(2.6) == 3
""")),
    Case("the same row in train and test", "code_bug", cell("""
train, test = {1, 2, 3}, {3, 4}
# %%
assert train.isdisjoint(test), "train and test share rows"
""")),
    Case("an assert of a score speaks of a timeout", "code_bug", cell("""
score = 0.4
# %%
assert score > 0.5, "connection timed out, server busy, try again"
""")),
    Case("an error in an assert's helper", "code_bug", cell("""
def check(frame):
    assert isinstance(frame, dict), f"expected a dict, got {type(frame)}"
# %%
check([1])
""")),
]  # fmt: skip

KEYS = [
    Case("the list is called otherwise in the answer", "schema_change", cell(_HTTP + """
shop = serve(200, b'{"data": [{"id": 1}]}')
# %%
import requests
orders = requests.get(shop, timeout=5).json()
# %%
ids = [order["id"] for order in orders["results"]]
""")),
    Case("a field of a file of JSON is gone", "schema_change", cell("""
import json
open("stations.json", "w").write('{"stations": [{"id": 1, "position": [8.5, 47.4]}]}')
with open("stations.json") as file:
    stations = json.load(file)
# %%
places = [station["location"]["lat"] for station in stations["stations"]]
""")),
    Case("a field deep in an answer is gone", "schema_change", cell("""
import json
weather = json.loads('{"current": {"temp": 3.5}}')
# %%
now = weather["current"]["temp_c"]
""")),
    Case("where there was a list there is an object", "schema_change", cell("""
import json
page = json.loads('{"orders": {"id": 1, "total": 9.9}}')
# %%
total = sum(order["total"] for order in page["orders"])
""")),
    Case("where there was an object there is a list", "schema_change", cell("""
import json
quote = json.loads('[{"price": 12.5}]')
# %%
price = quote["price"]
""")),
    Case("a table of a page is gone", "schema_change", cell("""
from bs4 import BeautifulSoup
page = BeautifulSoup("<html><div class='rates'>1.08</div></html>", "html.parser")
# %%
rows = page.find("table", id="rates").find_all("tr")
""")),
    Case("an element of XML is gone", "schema_change", cell("""
import xml.etree.ElementTree as ET
feed = ET.fromstring("<rates><rate currency='USD' value='1.08'/></rates>")
# %%
usd = float(feed.find("./cube/rate").get("value"))
""")),
    Case("the fourth column is gone", "schema_change", cell("""
import io
import pandas as pd
trips = pd.read_csv(io.StringIO("1;2;3\\n4;5;6\\n"), sep=";", header=None)
# %%
fares = trips.iloc[:, 3]
""")),
    Case("a workbook lacks the sheet", "schema_change", cell("""
import openpyxl
openpyxl.Workbook().save("plan.xlsx")
plan = openpyxl.load_workbook("plan.xlsx")["Plan 2026"]
""")),
    Case("settings lack a key", "code_bug", cell("""
settings = {"model": {"depth": 3}}
# %%
rate = settings["model"]["learning_rate"]
""")),
    Case("a count of what was never counted", "code_bug", cell("""
counts = {}
for word in ["a", "b"]:
    counts[word] += 1
""")),
    Case("a model that nobody registered", "code_bug", cell("""
models = {"linear": 1, "forest": 2}
# %%
chosen = models["xgb"]
""")),
    Case("an index beyond the folds", "code_bug", cell("""
folds = [[0, 1], [2, 3]]
# %%
last = folds[2]
""")),
    Case("the project's settings file lacks a key", "code_bug", cell("""
import json
open("config.json", "w").write('{"depth": 3}')
config = json.load(open("config.json"))
# %%
rate = config["learning_rate"]
""")),
    Case("a key of the environment", "environment", cell("""
import os
# %%
def connect():
    return f"postgresql://{os.environ['PGUSER_OF_WAREHOUSE']}@db/sales"
connect()
""")),
    Case("a variable that is not set becomes part of a header", "environment", cell("""
import os
token = os.getenv("RATES_TOKEN")
# %%
headers = {"Authorization": "Bearer " + token}
""")),
    Case("a variable that is not set becomes a number", "environment", cell("""
import os
batch = int(os.environ.get("BATCH_SIZE_OF_EXPORT"))
""")),
]  # fmt: skip

VALUES = [
    Case("a missing name among names", "dirty_rows", cell("""
import pandas as pd
people = pd.DataFrame({"name": ["Ann ", None, "Bob"]}, dtype=object)
people.loc[1, "name"] = float("nan")
# %%
people["name"] = people["name"].apply(lambda name: name.strip())
""")),
    Case("a record without a price", "dirty_rows", cell("""
import json
rows = json.loads('[{"price": "2.5"}, {"price": null}]')
# %%
total = 0.0
for row in rows:
    total += float(row["price"])
""")),
    Case("a null times two", "dirty_rows", cell("""
records = [{"amount": 2}, {"amount": None}]
# %%
doubled = [record["amount"] * 2 for record in records]
""")),
    Case("a null name of a record", "dirty_rows", cell("""
rows = [{"city": "Bern"}, {"city": None}]
# %%
cities = [row["city"].upper() for row in rows]
""")),
    Case("missing words cannot be joined", "dirty_rows", cell("""
import pandas as pd
tags = pd.Series(["a", float("nan"), "b"], dtype=object)
# %%
label = ", ".join(tags)
""")),
    Case("cities and missing ones sorted", "dirty_rows", cell("""
import pandas as pd
cities = pd.Series(["Bern", float("nan"), "Aarau"], dtype=object)
# %%
ordered = sorted(cities.unique())
""")),
    Case("a pattern sought in a missing text", "dirty_rows", cell("""
import re
import pandas as pd
notes = pd.Series(["size 3", float("nan")], dtype=object)
# %%
sizes = [re.search(r"\\d+", note) for note in notes]
""")),
    Case("a line with a field too few", "dirty_rows", cell("""
lines = ["Bern;1.5", "Aarau"]
# %%
for line in lines:
    city, rate = line.split(";")
""")),
    Case("a row with a cell too few", "dirty_rows", cell("""
import csv, io
rows = list(csv.reader(io.StringIO("id,city,rate\\n1,Bern,1.5\\n2,Aarau\\n")))
# %%
rates = [float(row[2]) for row in rows[1:]]
""")),
    Case("an amount with a comma", "dirty_rows", cell("""
amounts = ["9.90", "12,50"]
# %%
total = sum(float(amount) for amount in amounts)
""")),
    Case("a date in another order", "dirty_rows", cell("""
from datetime import date
days = ["2026-11-21", "21.11.2026"]
# %%
parsed = [date.fromisoformat(day) for day in days]
""")),
    Case("a column of numbers has become text", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"quantity": [1, 2], "price": ["9.90 EUR", "12.50 EUR"]})
# %%
orders["net"] = orders["price"] / 1.19
""")),
    Case("the mean of text", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"price": ["9.90", "12.50"]})
# %%
mean = orders["price"].mean()
""")),
    Case("postal codes are numbers now", "schema_change", cell("""
import io
import pandas as pd
addresses = pd.read_csv(io.StringIO("code\\n3001\\n5000\\n"))
# %%
addresses["code"] = addresses["code"].str.zfill(5)
""")),
    Case("dates that have come as text", "schema_change", cell("""
import pandas as pd
orders = pd.DataFrame({"day": ["2026-11-20", "2026-11-21"]})
# %%
per_month = orders.groupby(orders["day"].dt.month).size()
""")),
    Case("polars adds text to numbers", "schema_change", cell("""
import polars as pl
orders = pl.DataFrame({"quantity": [1, 2], "price": ["9.90", "12.50"]})
# %%
totals = orders.with_columns(total=pl.col("quantity") * pl.col("price"))
""")),
    Case("polars joins keys of two types", "schema_change", cell("""
import polars as pl
orders, customers = pl.DataFrame({"customer": [1]}), pl.DataFrame({"customer": ["1"]})
# %%
both = orders.join(customers, on="customer")
""")),
    Case("pandas merges keys of two types", "schema_change", cell("""
import pandas as pd
orders, customers = pd.DataFrame({"customer": [1]}), pd.DataFrame({"customer": ["1"]})
# %%
both = orders.merge(customers, on="customer")
""")),
    Case("XGBoost gets a column of text", "schema_change", cell("""
import pandas as pd, xgboost
houses = pd.DataFrame({"area": ["50 m2", "80 m2"], "price": [1.0, 2.0]})
# %%
xgboost.XGBRegressor(n_estimators=2).fit(houses[["area"]], houses["price"])
""")),
    Case("LightGBM gets a column of text", "schema_change", cell("""
import pandas as pd, lightgbm
houses = pd.DataFrame({"area": ["50 m2", "80 m2"] * 20, "price": [1.0, 2.0] * 20})
# %%
lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(houses[["area"]], houses["price"])
""")),
    Case("pyarrow casts to other fields", "schema_change", cell("""
import pyarrow as pa
orders = pa.table({"id": [1], "amount_eur": [2.0]})
# %%
orders = orders.cast(pa.schema({"id": pa.int64(), "amount": pa.float64()}))
""")),
    Case("pyarrow would cut decimals", "dirty_rows", cell("""
import pyarrow as pa
counts = pa.array([1.0, 2.5])
# %%
counts = counts.cast(pa.int64())
""")),
    Case("numbers among the text of a column, to Parquet", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"code": ["A1", 17, "B2"]}, dtype=object)
# %%
orders.to_parquet("orders.parquet")
""")),
    Case("too few rows for the folds", "dirty_rows", cell("""
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
X, y = np.ones((3, 1)), np.ones(3)
# %%
cross_val_score(LinearRegression(), X, y, cv=5)
""")),
    Case("no row left to split", "dirty_rows", cell("""
import pandas as pd
from sklearn.model_selection import train_test_split
orders = pd.DataFrame({"amount": []})
# %%
train, test = train_test_split(orders)
""")),
    Case("nothing for that day in the table", "dirty_rows", cell("""
import pandas as pd
rates = pd.DataFrame({"day": ["2026-11-20"], "usd": [1.08]})
# %%
usd = rates[rates["day"] == "2026-11-21"]["usd"].iloc[0]
""")),
    Case("a file of numbers with a short line", "dirty_rows", cell("""
import io
import numpy as np
numbers = np.loadtxt(io.StringIO("1 2 3\\n4 5\\n"))
""")),
    Case("polars reads a word as a number", "dirty_rows", cell("""
import io
import polars as pl
orders = pl.read_csv(io.BytesIO(b"id,n\\n1,2\\n2,n/a\\n"), schema_overrides={"n": pl.Int64})
""")),
    Case("polars reads a date of another kind", "dirty_rows", cell("""
import polars as pl
days = pl.Series(["2026-11-20", "21/11/2026"])
# %%
days = days.str.to_date("%Y-%m-%d")
""")),
    Case("a date that no month has, built of arithmetic", "code_bug", cell("""
import datetime as dt
month = 12
# %%
end = dt.date(2026, month + 1, 1) - dt.timedelta(days=1)
""")),
    Case("a date built of a row", "dirty_rows", cell("""
import datetime as dt
rows = [("2026", "11", "21"), ("2026", "21", "11")]
# %%
days = [dt.date(int(year), int(month), int(day)) for year, month, day in rows]
""")),
    Case("a method of None", "code_bug", cell("""
def find(name, among):
    for one in among:
        if one == name:
            return one
# %%
find("c", ["a", "b"]).upper()
""")),
    Case("arrays of two shapes", "code_bug", cell("""
import numpy as np
weights, features = np.ones(3), np.ones((10, 4))
# %%
features @ weights
""")),
    Case("columns and rows of two lengths", "code_bug", cell("""
import pandas as pd
frame = pd.DataFrame({"a": [1, 2, 3]})
# %%
frame["b"] = [1, 2]
""")),
    Case("one dimension where there must be two", "code_bug", cell("""
import numpy as np
from sklearn.linear_model import LinearRegression
# %%
LinearRegression().fit(np.array([1.0, 2.0]), [1, 2])
""")),
    Case("a misspelled way to join", "code_bug", cell("""
import pandas as pd
a = pd.DataFrame({"id": [1]})
# %%
a.merge(a, on="id", how="leftt")
""")),
    Case("frames compared in an if", "code_bug", cell("""
import polars as pl
a = pl.DataFrame({"id": [1]})
# %%
if a["id"] > 0:
    pass
""")),
    Case("a misspelled method", "code_bug", cell("""
import pandas as pd
# %%
pd.DataFrame({"a": [1]}).drop_duplicate()
""")),
    Case("a misspelled function of a module", "code_bug", cell("""
import numpy as np
# %%
np.aray([1, 2])
""")),
    Case("an argument too many", "code_bug", cell("""
import pandas as pd
# %%
pd.DataFrame({"a": [1]}).head(n=1, rows=2)
""")),
]  # fmt: skip

SURROUNDINGS = [
    Case("a number that NumPy has done away with", "environment", cell("import numpy as np\nmissing = np.NaN")),
    Case("a type that NumPy has done away with", "environment", cell("import numpy as np\nflags = np.zeros(3, dtype=np.bool8)")),
    Case("DataFrame.append", "environment", cell("""
import pandas as pd
table = pd.DataFrame({"a": [1]})
# %%
table = table.append({"a": 2}, ignore_index=True)
""")),
    Case("Series.iteritems", "environment", cell("""
import pandas as pd
# %%
for key, value in pd.Series([1, 2]).iteritems():
    pass
""")),
    Case("polars' groupby", "environment", cell("""
import polars as pl
# %%
pl.DataFrame({"a": [1], "b": [2]}).groupby("a").agg(pl.col("b").sum())
""")),
    Case("an argument that pandas has done away with", "environment", cell("""
import io
import pandas as pd
# %%
pd.read_csv(io.StringIO("a,b\\n1,2\\n"), error_bad_lines=False)
""")),
    Case("an argument that scikit-learn has done away with", "environment", cell("""
from sklearn.preprocessing import OneHotEncoder
# %%
OneHotEncoder(sparse=False)
""")),
    Case("an argument that XGBoost has done away with", "environment", cell("""
import numpy as np, xgboost
# %%
xgboost.XGBRegressor(n_estimators=2).fit(np.ones((9, 2)), np.ones(9), early_stopping_rounds=5)
""")),
    Case("SQLAlchemy's engine executes no more", "environment", cell("""
import sqlalchemy
engine = sqlalchemy.create_engine("sqlite://")
# %%
engine.execute("select 1")
""")),
    Case("names of features, as of old", "environment", cell("""
from sklearn.feature_extraction.text import TfidfVectorizer
words = TfidfVectorizer().fit(["a word", "two words"])
# %%
words.get_feature_names()
""")),
    Case("a module that newer Python lacks", "environment", cell("import imp_of_the_moon, distutils_of_the_moon")),
    Case("an abstract class that moved", "environment", cell("import collections\nisinstance({}, collections.Mapping)")),
    Case("no such time zone on this system", "environment", cell("from zoneinfo import ZoneInfo\nZoneInfo('Europe/Bern')")),
    Case("the database is read-only", "environment", cell("""
import sqlite3
sqlite3.connect("ro.db").execute("create table if not exists t (i int)")
# %%
sqlite3.connect("file:ro.db?mode=ro", uri=True).execute("insert into t values (1)")
""")),
    Case("no driver for the database", "environment", cell("import sqlalchemy\nsqlalchemy.create_engine('mysql+pymysql://etl@db/sales')")),
    Case("a model of another version of scikit-learn", "environment", cell("""
import pickle
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree import _tree
tree = DecisionTreeRegressor().fit([[1.0], [2.0]], [1, 2]).tree_
state = tree.__getstate__()
state["nodes"] = state["nodes"][[name for name in state["nodes"].dtype.names if name != "missing_go_to_left"]]
# %%
_tree.Tree(1, __import__("numpy").array([1]), 1).__setstate__(state)
""")),
    Case("an address that is taken", "environment", cell("""
import socket
one = socket.create_server(("127.0.0.1", 0))
# %%
socket.create_server(one.getsockname())
""")),
]  # fmt: skip

SERVICES = [
    Case("an interface is slow", "transient", cell("import requests\nrequests.get(URL + '/slow', timeout=(3, 0.1))")),
    Case("409 of an interface", "data_access", cell("import requests\nrequests.get(URL + '/409').raise_for_status()")),
    Case("410 of an interface", "data_access", cell("import requests\nrequests.get(URL + '/410').raise_for_status()")),
    Case("413 of an interface", "code_bug", cell("import requests\nrequests.get(URL + '/413').raise_for_status()")),
    Case("500 of an interface", "data_access", cell("import requests\nrequests.get(URL + '/500').raise_for_status()")),
    Case("504 of an interface", "transient", cell("import httpx\nhttpx.get(URL + '/504', trust_env=False).raise_for_status()")),
    Case("429, told by the notebook", "transient", cell("""
import requests
reply = requests.get(URL + "/429")
if not reply.ok:
    raise RuntimeError(f"Request failed: {reply.status_code} {reply.reason}")
""")),
    Case("404, told by the notebook", "data_access", cell("""
import requests
reply = requests.get(URL + "/404")
if reply.status_code != 200:
    raise Exception(f"got {reply.status_code} from {reply.url}")
""")),
    Case("nobody listens there", "data_access", cell("import socket\nsocket.create_connection(('127.0.0.1', 9), timeout=2)")),
    Case("a certificate that nobody vouches for", "data_access", cell("""
import ssl
raise ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)")
""")),
    Case("another run holds the lock", "transient", cell("""
import os
open("etl.lock", "w").close()
# %%
if os.path.exists("etl.lock"):
    raise RuntimeError("another run of this notebook is still active (etl.lock)")
""")),
    Case("the warehouse is being maintained", "transient", cell("""
raise RuntimeError('warehouse is down for maintenance, try again later')
""")),
    Case("the notebook leaves: there is no data", "data_access", cell("import sys\nsys.exit('no data for 2026-11-21')")),
    Case("the job has not ended in time", "timeout", cell("""
import time
begun = time.monotonic()
# %%
while time.monotonic() - begun < 0.2:
    pass
raise TimeoutError("job 17 has not finished after 600 seconds")
""")),
    Case("a file has not come in the time that the notebook waits", "timeout", cell("""
raise RuntimeError("timed out after 30 minutes waiting for inbox/DONE")
""")),
    Case("a future is late", "timeout", cell("""
import concurrent.futures, time
pool = concurrent.futures.ThreadPoolExecutor(1)
# %%
for done in concurrent.futures.as_completed([pool.submit(time.sleep, 0.5)], timeout=0.1):
    pass
""")),
    Case("a lock that another thread holds", "timeout", cell("""
import threading
lock = threading.Lock()
lock.acquire()
# %%
if not lock.acquire(timeout=0.1):
    raise TimeoutError("could not get the lock within 0.1 s")
""")),
    Case("a program fails", "code_bug", cell("import subprocess\nsubprocess.run(['false'], check=True)")),
    Case("a program is killed", "kernel_death", cell("import subprocess\nsubprocess.run(['sh', '-c', 'kill -9 $$'], check=True)")),
    Case("a program that the shell does not know", "environment", cell("""
import subprocess
subprocess.run("wkhtmltopdf-of-the-moon a b", shell=True, check=True, capture_output=True)
""")),
    Case("the copy finds no room", "resource", cell("""
import shutil
open("large.bin", "wb").write(b"x" * 100_000)
# %%
shutil.copyfile("large.bin", "/dev/full")
""")),
    Case("quotas are used up", "resource", cell("""
import errno, os
raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), 'orders.parquet')
""")),
    Case("an array beyond memory", "resource", cell("import numpy as np\nnp.ones((200_000, 200_000, 100))")),
    Case("a sparse table made dense", "resource", cell("""
import scipy.sparse
words = scipy.sparse.csr_matrix((4_000_000, 4_000_000))
# %%
words.toarray()
""")),
    Case("an Arrow buffer beyond memory", "resource", cell("import pyarrow as pa\npa.allocate_buffer(1 << 55)")),
    Case("two databases changed one row", "transient", cell("""
import sqlalchemy
engine = sqlalchemy.create_engine("sqlite:///shop.db", connect_args={"timeout": 0.05})
# %%
import sqlite3
other = sqlite3.connect("shop.db", isolation_level=None)
other.execute("begin exclusive")
try:
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table t (i int)"))
finally:
    other.rollback()
""")),
    Case("a value that must not be null", "dirty_rows", cell("""
import sqlalchemy
engine = sqlalchemy.create_engine("sqlite://")
# %%
with engine.begin() as connection:
    connection.execute(sqlalchemy.text("create table t (i int not null)"))
    connection.execute(sqlalchemy.text("insert into t values (null)"))
""")),
    Case("a table that is not there", "schema_change", cell("""
import pandas as pd, sqlalchemy
engine = sqlalchemy.create_engine("sqlite://")
# %%
pd.read_sql("select * from orders_2026", engine)
""")),
    Case("a query with a slip", "code_bug", cell("""
import pandas as pd, sqlalchemy
engine = sqlalchemy.create_engine("sqlite://")
# %%
pd.read_sql("select count(* from orders", engine)
""")),
    Case("a query with too few values", "code_bug", cell("import sqlite3\nsqlite3.connect(':memory:').execute('select ?, ?', (1,))")),
    Case("a function that cannot go to a process", "code_bug", cell("""
from multiprocessing import get_context
with get_context("fork").Pool(1) as pool:
    pool.map(lambda x: x, [1])
""")),
    Case("a handler of a slow interface has a slip", "code_bug", cell("""
import requests
try:
    requests.get(URL + "/slow", timeout=0.1)
except requests.Timeout:
    print(f"slow: {urll}")
""")),
    Case("an argument out of its range", "code_bug", cell("""
def sample(rows, share):
    if not 0 < share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
sample([1], 5)
""")),
]  # fmt: skip

# Written when the rules told all of the above.
SECOND = [
    Case("an overloaded interface, told by the notebook", "transient", cell("""
import requests
reply = requests.get(URL + "/503")
# %%
if not reply.ok:
    raise RuntimeError(f"API error {reply.status_code}: the rates service is overloaded")
""")),
    Case("urllib reads less than was promised", "transient", cell("""
import urllib.request
body = urllib.request.urlopen(URL + '/cut').read()
""")),
    Case("rate limit, own error", "transient", cell("""
class RatesError(Exception): pass
# %%
raise RatesError("rate limit reached for /v1/quotes, retry after 30 s")
""")),
    Case("a socket that is reset", "transient", cell("""
import http.client
host, port = URL.removeprefix("http://").split(":")
link = http.client.HTTPConnection(host, int(port))
link.request("GET", "/reset")
link.getresponse().read()
""")),
    Case("retries used up, told by the notebook", "transient", cell("""
import requests, time
# %%
for attempt in range(3):
    try:
        requests.get(URL + "/502").raise_for_status()
    except requests.HTTPError as error:
        last = error
else:
    raise RuntimeError("gave up after 3 attempts") from last
""")),
    Case("the table is being rebuilt", "transient", cell("raise RuntimeError('orders is locked by another job, please retry later')")),
    Case("next of no files", "data_access", cell("""
from pathlib import Path
newest = next(Path("no-such-inbox").glob("*.csv"))
""")),
    Case("the time of a file that is not there", "data_access", cell("import os\nage = os.path.getmtime('landing/orders.csv')")),
    Case("the archive has no CSV", "data_access", cell("""
import zipfile
with zipfile.ZipFile("only.zip", "w") as archive:
    archive.writestr("readme.txt", "x")
# %%
with zipfile.ZipFile("only.zip") as archive:
    name = [name for name in archive.namelist() if name.endswith(".csv")][0]
""")),
    Case("an empty Parquet file", "data_access", cell("""
import polars as pl
open("empty.parquet", "w").close()
# %%
pl.read_parquet("empty.parquet")
""")),
    Case("no files for the day, told", "data_access", cell("raise ValueError('No files found for 2026-11-21')")),
    Case("the source has not been updated", "data_access", cell("""
hours = 53
if hours > 24:
    raise Exception(f"orders have not been updated for {hours} hours")
""")),
    Case("an empty CSV", "data_access", cell("import pandas as pd\nopen('void.csv', 'w').close()\npd.read_csv('void.csv')")),
    Case("403 to pandas", "data_access", cell("import pandas as pd\npd.read_csv(URL + '/403')")),
    Case("a login that fails", "data_access", cell("""
class CrmError(Exception): pass
raise CrmError('login failed: password has expired')
""")),
    Case("the share is not mounted", "data_access", cell("""
import os
if not os.path.isdir("/mnt/share/sales"):
    raise RuntimeError("/mnt/share/sales is not mounted")
""")),
    Case("the column is asked for by attribute", "schema_change", cell("""
import pandas as pd
sales = pd.DataFrame({"amount_eur": [1.0]})
# %%
total = sales.amount.sum()
""")),
    Case("polars concatenates other columns", "schema_change", cell("""
import polars as pl
both = pl.concat([pl.DataFrame({"id": [1], "amount": [2]}), pl.DataFrame({"id": [1], "total": [2]})])
""")),
    Case("json_normalize finds no path", "schema_change", cell("""
import pandas as pd
reply = {"data": [{"id": 1}]}
# %%
pd.json_normalize(reply, record_path="items")
""")),
    Case("DuckDB sums text", "schema_change", cell("""
import duckdb
con = duckdb.connect()
con.execute("create table orders as select '9.90 EUR' as amount")
# %%
con.execute("select sum(amount) from orders").fetchall()
""")),
    Case("renaming what is not there", "schema_change", cell("""
import pandas as pd
pd.DataFrame({"a": [1]}).rename(columns={"b": "c"}, errors="raise")
""")),
    Case("unexpected columns, told", "schema_change", cell("""
import pandas as pd
df = pd.DataFrame({"id": [1], "amount_eur": [2]})
extra = set(df.columns) - {"id", "amount"}
if extra:
    raise Exception(f"Unexpected columns: {extra}")
""")),
    Case("types of columns, told", "schema_change", cell("""
import pandas as pd
df = pd.DataFrame({"amount": ["a"]})
if df.dtypes["amount"] != "float64":
    raise RuntimeError(f"dtype of amount changed: {df.dtypes['amount']}")
""")),
    Case("a record's field, in a function", "schema_change", cell("""
import json
def parse(order):
    return {"id": order["id"], "total": order["totals"]["gross"]}
# %%
orders = [parse(order) for order in json.loads('[{"id": 1, "total": 3}]')]
""")),
    Case("a header with other names, DictReader", "schema_change", cell("""
import csv, io
for line in csv.DictReader(io.StringIO("ID;Name\\n1;x\\n"), delimiter=";"):
    print(line["id"])
""")),
    Case("a number beyond its type", "dirty_rows", cell("""
import numpy as np
readings = [12, 14, 300]
# %%
np.array(readings, dtype="uint8")
""")),
    Case("a doubled index", "dirty_rows", cell("""
import pandas as pd
pd.DataFrame({"id": [1, 1]}).set_index("id", verify_integrity=True)
""")),
    Case("negative quantities, told", "dirty_rows", cell("""
import pandas as pd
orders = pd.DataFrame({"quantity": [1, -2]})
if (orders["quantity"] < 0).any():
    raise ValueError("negative quantities in orders.csv")
""")),
    Case("outliers, told", "dirty_rows", cell("n = 17\nif n:\n    raise RuntimeError(f'{n} outliers in the readings of station 4')")),
    Case("nulls, told in a function", "dirty_rows", cell("""
import pandas as pd
def validate(df):
    assert df.notnull().all().all(), "nulls found"
# %%
validate(pd.DataFrame({"a": [1, None]}))
""")),
    Case("a share of values, told", "dirty_rows", cell("""
share = 0.37
if share > 0.05:
    raise Exception(f'{share:.0%} of temperature values are NaN')
""")),
    Case("infinite values to SciPy", "dirty_rows", cell("""
import numpy as np, scipy.linalg
scipy.linalg.svd(np.array([[1.0, np.inf], [2.0, 3.0]]))
""")),
    Case("a word in a column for astype", "dirty_rows", cell("""
import pandas as pd
pd.DataFrame({'n': ['1', 'x']}).astype({'n': 'int64'})
""")),
    Case("a decimal with a comma in DuckDB", "dirty_rows", cell("""
import duckdb
duckdb.sql("select '12,50'::double").fetchall()
""")),
    Case("an unknown category to an encoder", "dirty_rows", cell("""
from sklearn.preprocessing import LabelEncoder
LabelEncoder().fit(["a", "b"]).transform(["c"])
""")),
    Case("a polars cast", "dirty_rows", cell("import polars as pl\npl.Series(['1', 'x']).cast(pl.Int64)")),
    Case("dates of two formats", "dirty_rows", cell("import pandas as pd\npd.to_datetime(pd.Series(['2026-11-21', 'yesterday']))")),
    Case("an empty result, looked at", "dirty_rows", cell("""
import pandas as pd
rates = pd.DataFrame({"day": ["a"], "rate": [1.0]})
# %%
rate = rates.loc[rates["day"] == "b", "rate"].values[0]
""")),
    Case("idxmax of nothing", "dirty_rows", cell("""
import pandas as pd
sales = pd.DataFrame({"shop": [], "amount": []})
# %%
best = sales.loc[sales["amount"].idxmax()]
""")),
    Case("a pivot with doubles", "dirty_rows", cell("""
import pandas as pd
pd.DataFrame({'d': [1, 1], 's': ['a', 'a'], 'v': [1, 2]}).pivot(index='d', columns='s', values='v')
""")),
    Case("a list beyond memory", "resource", cell("cells = [0] * 10**14")),
    Case("a cross join in DuckDB", "resource", cell("""
import duckdb
con = duckdb.connect(config={"memory_limit": "30MB", "temp_directory": "", "threads": 1})
# %%
con.execute("create table pairs as select a.range as a, b.range as b, hash(a.range) as h from range(3000) a, range(3000) b")
""")),
    Case("no room for a figure", "resource", cell("""
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
plt.plot([1, 2])
with open("/dev/full", "wb") as file:
    plt.savefig(file)
""")),
    Case("a thread too many", "resource", cell("raise RuntimeError(\"can't start new thread\")")),
    Case("the server did not come up", "timeout", cell("raise RuntimeError('the feature build did not complete within 600 seconds')")),
    Case("a deadline", "timeout", cell("""
class DeadlineExceeded(Exception): pass
raise DeadlineExceeded('backtest took longer than 2 hours')
""")),
    Case("a program's time", "timeout", cell("import subprocess\nsubprocess.run('sleep 5', shell=True, timeout=0.1)")),
    Case("a pool's time", "timeout", cell("""
import time
from multiprocessing.pool import ThreadPool
ThreadPool(1).apply_async(time.sleep, (0.5,)).get(timeout=0.05)
""")),
    Case("a pool's worker leaves", "kernel_death", cell("""
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    list(pool.map(os._exit, [1, 1]))
""")),
    Case("a program segfaults", "kernel_death", cell("import subprocess\nsubprocess.check_call(['sh', '-c', 'kill -SEGV $$'])")),
    Case("no dot", "environment", cell("""
import os
import graphviz
os.environ["PATH"], before = "", os.environ["PATH"]
try:
    graphviz.Digraph().render("flow")
finally:
    os.environ["PATH"] = before
""")),
    Case("a style that matplotlib has no more", "environment", cell("import matplotlib.pyplot as plt\nplt.style.use('seaborn-whitegrid')")),
    Case("a frequency that pandas has no more", "environment", cell("""
import pandas as pd
pd.date_range('2026-01-01', periods=3, freq='M')
""")),
    Case("fillna's method", "environment", cell("import pandas as pd\npd.DataFrame({'a': [1, None]}).fillna(method='ffill')")),
    Case("an option that pandas has no more", "environment", cell("import pandas as pd\npd.set_option('mode.use_inf_as_na', True)")),
    Case("a version that is too old, told", "environment", cell("""
import pandas as pd
if pd.__version__ < '9':
    raise RuntimeError(f'this notebook needs pandas 9 or newer, found {pd.__version__}')
""")),
    Case("a library's file is not there", "environment", cell("import ctypes\nctypes.CDLL('libgobject-2.0-0.so')")),
    Case("a variable, by a helper", "environment", cell("""
import os
def setting(name):
    value = os.getenv(name)
    if value is None:
        raise RuntimeError(f"{name} is not set")
    return value
# %%
setting("WAREHOUSE_DSN")
""")),
    Case("a setting, by a KeyError", "environment", cell("""
import os
def setting(name):
    if name not in os.environ:
        raise KeyError(f"environment variable {name} missing")
setting("X_DSN")
""")),
    Case("psycopg is not installed", "environment", cell("import sqlalchemy\nsqlalchemy.create_engine('postgresql+psycopg://db/x')")),
    Case("a type that has no length", "code_bug", cell("len(5)")),
    Case("avg in agg", "code_bug", cell("import pandas as pd\npd.DataFrame({'a': [1], 'b': [2]}).groupby('a').agg('avg')")),
    Case("a misspelled argument", "code_bug", cell("import requests\nrequests.get(URL + '/200', timout=5)")),
    Case("days minus text", "code_bug", cell("import datetime as dt\nday = '2026-11-21'\nday - dt.timedelta(days=1)")),
    Case("an argument of the wrong kind, told", "code_bug", cell("""
def f(x):
    if not isinstance(x, list):
        raise TypeError(f'x must be a list, is {type(x)}')
f(3)
""")),
    Case("an unhashable key", "code_bug", cell("seen = {}\nseen[['a']] = 1")),
    Case("a mode that is none", "code_bug", cell("open('a.txt', 'rw')")),
    Case("a format that is none", "code_bug", cell("f'{\"x\":d}'")),
    Case("values returned too many", "code_bug", cell("""
def split(rows):
    return rows[:1], rows[1:2], rows[2:]
# %%
train, test = split([1, 2, 3])
""")),
    Case("an event loop within one", "code_bug", cell("""
import asyncio
async def f(): pass
c = f()
try:
    asyncio.run(c)
finally:
    c.close()
""")),
    Case("a closed database", "code_bug", cell("import sqlite3\nc = sqlite3.connect(':memory:')\nc.close()\nc.execute('select 1')")),
    Case("sum of a list of text", "code_bug", cell("sum(['1', '2'])")),
    Case("a parameter that is none of the choices", "code_bug", cell("""
def run(mode):
    if mode not in ('full', 'delta'):
        raise ValueError(f'unknown mode {mode!r}')
run('fulll')
""")),
    Case("join of numbers", "code_bug", cell("', '.join([1, 2])")),
    Case("an own class's attribute", "code_bug", cell("""
class Model:
    def __init__(self):
        self.depth = 3
# %%
Model().detph
""")),
    Case("a zero of the code", "code_bug", cell("n = 0\nrate = 1 / n")),
    Case("a column is assigned with other length", "code_bug", cell("""
import polars as pl
pl.DataFrame({'a': [1, 2]}).with_columns(b=pl.Series([1, 2, 3]))
""")),
    Case("an abstract method", "code_bug", cell("class A:\n    def fit(self):\n        raise NotImplementedError\nA().fit()")),
    Case("a colour that is none", "code_bug", cell("import matplotlib.pyplot as plt\nplt.plot([1], [2], colour='red')")),
    Case("a program called wrongly", "code_bug", cell("""
import subprocess
subprocess.run(['ls', '--no-such-option'], check=True, capture_output=True)
""")),
    Case("a slip in own iteration", "code_bug", cell("it = iter([])\nnext(it)")),
    Case("a pivot of a misnamed own column", "code_bug", cell("batches = {'a': 1}\nfor name in ['a', 'b']:\n    batches[name]")),
    Case("a bad regular expression", "code_bug", cell("import re\nre.compile('(')")),
    Case("an estimator not fitted", "code_bug", cell("from sklearn.linear_model import Ridge\nRidge().predict([[1.0]])")),
    Case("SQL without from", "code_bug", cell("import duckdb\nduckdb.sql('select a, b wher x = 1')")),
]  # fmt: skip

# Written when they told all of SECOND, too.
THIRD = [
    Case("an interface answers with 500, told", "data_access", cell("""
import requests
r = requests.get(URL + "/500")
# %%
if r.status_code >= 400:
    raise Exception(f"weather API failed with status {r.status_code}")
""")),
    Case("httpx read timeout", "transient", cell("import httpx\nhttpx.get(URL + '/slow', timeout=0.1, trust_env=False)")),
    Case("requests chunked break", "transient", cell("import requests\nrequests.get(URL + '/cut', stream=True).content")),
    Case("urllib connection reset", "transient", cell("import urllib.request\nurllib.request.urlopen(URL + '/reset')")),
    Case("pandas over 502", "transient", cell("import pandas as pd\npd.read_json(URL + '/502')")),
    Case("an error of one's own, with 429", "transient", cell("class Throttled(Exception): pass\nraise Throttled('429: slow down')")),
    Case("DuckDB's file is in use", "transient", cell("""
import duckdb, subprocess, sys
holder = "import duckdb; c = duckdb.connect('wh.duckdb'); print('x', flush=True); input()"
other = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
other.stdout.readline()
# %%
try:
    con = duckdb.connect("wh.duckdb")
finally:
    other.communicate(b"x")
""")),
    Case("maintenance window", "transient", cell("""
if True:
    raise SystemExit('source system is in maintenance, try again after 04:00')
""")),
    Case("excel missing", "data_access", cell("import pandas as pd\npd.read_excel('budget.xlsx')")),
    Case("parquet folder missing", "data_access", cell("import polars as pl\npl.scan_parquet('lake/*.parquet').collect()")),
    Case("sqlite db folder missing", "data_access", cell("import sqlite3\nsqlite3.connect('/nowhere/a.db')")),
    Case("list of files filtered to none", "data_access", cell("""
import os
files = [f for f in os.listdir(".") if f.startswith("export_of_the_day_")]
# %%
files.sort()
last = files[-1]
""")),
    Case("no partition", "data_access", cell("""
import pathlib
partitions = list(pathlib.Path("lake").glob("day=*"))
if not partitions:
    raise RuntimeError("no partitions under lake/")
""")),
    Case("token refused by hand", "data_access", cell("""
import requests
r = requests.get(URL + "/401")
if r.status_code == 401:
    raise PermissionError("token was rejected")
""")),
    Case("corrupt npz", "data_access", cell("import numpy as np\nopen('f.npz', 'wb').write(b'PK\\x03\\x04broken')\nnp.load('f.npz')")),
    Case("truncated feather", "data_access", cell("""
import pandas as pd
pd.DataFrame({"a": range(1000)}).to_feather("a.feather")
whole = open("a.feather", "rb").read()
open("a.feather", "wb").write(whole[:500])
# %%
pd.read_feather("a.feather")
""")),
    Case("a page without a byte", "data_access", cell(_HTTP + """
page = serve(200, b"")
# %%
import pandas as pd
pd.read_csv(page)
""")),
    Case("dns", "data_access", cell("import requests\nrequests.get('http://warehouse.invalid/x', timeout=3)")),
    Case("stale by timestamp", "data_access", cell("""
import datetime as dt
last_update = dt.datetime(2026, 11, 1)
now = dt.datetime(2026, 11, 22)
# %%
if now - last_update > dt.timedelta(days=2):
    raise ValueError(f"data is stale: last update {last_update:%Y-%m-%d}")
""")),
    Case("missing in iloc name", "schema_change", cell("import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndf.loc[:, ['a', 'b']]")),
    Case("groupby agg column", "schema_change", cell("import pandas as pd\npd.DataFrame({'a': [1]}).groupby('a').agg({'b': 'sum'})")),
    Case("polars select", "schema_change", cell("import polars as pl\npl.DataFrame({'a': [1]}).select('b')")),
    Case("polars group_by agg", "schema_change", cell("""
import polars as pl
pl.DataFrame({'a': [1]}).group_by('a').agg(pl.col('amount').sum())
""")),
    Case("pyarrow read columns", "schema_change", cell("""
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({"a": [1]}), "t.parquet")
import pandas as pd
pd.read_parquet("t.parquet", columns=["a", "b"])
""")),
    Case("sqlite insert columns", "schema_change", cell("""
import sqlite3, pandas as pd
c = sqlite3.connect(":memory:")
c.execute("create table t (a int)")
pd.DataFrame({"a": [1], "b": [2]}).to_sql("t", c, if_exists="append", index=False)
""")),
    Case("json nested by function", "schema_change", cell("""
import json
def price_of(item):
    return item["pricing"]["net"]
raw = json.loads('{"items": [{"price": 3}]}')
# %%
total = sum(price_of(item) for item in raw["items"])
""")),
    Case("api v2", "schema_change", cell(_HTTP + """
api = serve(200, b'{"results": [{"timestamp": 1, "val": 2}]}')
# %%
import requests, pandas as pd
data = requests.get(api).json()
df = pd.DataFrame(data["results"])
# %%
df = df.set_index("time")
""")),
    Case("error object instead of list", "schema_change", cell(_HTTP + """
api = serve(200, b'{"items": "none"}')
# %%
import requests
for item in requests.get(api).json()["items"]:
    print(item["id"])
""")),
    Case("sklearn pipeline fewer columns", "schema_change", cell("""
import numpy as np
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit(np.ones((4, 3)), np.ones(4))
# %%
model.predict(np.ones((2, 2)))
""")),
    Case("xgb fewer features", "schema_change", cell("""
import numpy as np, xgboost
model = xgboost.XGBRegressor(n_estimators=2).fit(np.ones((4, 3)), np.ones(4))
# %%
model.predict(np.ones((2, 2)))
""")),
    Case("lgbm fewer features", "schema_change", cell("""
import numpy as np, lightgbm
model = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(np.random.rand(40, 3), np.ones(40))
# %%
model.predict(np.ones((2, 2)))
""")),
    Case("duckdb read_csv column", "schema_change", cell("""
import duckdb
open("x.csv", "w").write("id,total\\n1,2\\n")
duckdb.sql("select id, amount from 'x.csv'")
""")),
    Case("own schema check", "schema_change", cell("""
expected = ["id", "amount"]
found = ["id", "total"]
if found != expected:
    raise ValueError(f"header changed: expected {expected}, found {found}")
""")),
    Case("assert on columns of polars", "schema_change", cell("""
import polars as pl
df = pl.DataFrame({"a": [1]})
assert "b" in df.columns, "b is missing"
""")),
    Case("pandera nulls", "dirty_rows", cell("""
import pandas as pd, pandera.pandas as pa
pa.DataFrameSchema({"amount": pa.Column(float, pa.Check.ge(0))}).validate(pd.DataFrame({"amount": [1.0, -2.0]}))
""")),
    Case("pydantic bad values", "dirty_rows", cell("""
from pydantic import BaseModel
class Order(BaseModel):
    id: int
    amount: float
[Order(**row) for row in [{"id": 1, "amount": "2.5"}, {"id": 2, "amount": "n/a"}]]
""")),
    Case("fewer ids than rows", "dirty_rows", cell("""
import pandas as pd
df = pd.DataFrame({"id": [1, 1, 2]})
# %%
assert df["id"].nunique() == len(df), "duplicate ids"
""")),
    Case("assert rowcount by shape", "dirty_rows", cell("""
import io
import pandas as pd
df = pd.read_csv(io.StringIO("a\\n1\\n"))
# %%
assert df.shape[0] > 100, f"expected at least 100 rows, got {df.shape[0]}"
""")),
    Case("assert of sums", "dirty_rows", cell("""
import pandas as pd
shares = pd.Series([0.5, 0.3])
# %%
assert abs(shares.sum() - 1) < 1e-6, f"shares sum to {shares.sum()}"
""")),
    Case("assert sql", "dirty_rows", cell("""
import sqlite3
c = sqlite3.connect(":memory:")
c.execute("create table t (a int)"); c.execute("insert into t values (-1)")
bad = c.execute("select count(*) from t where a < 0").fetchone()[0]
# %%
assert bad == 0, f"{bad} negative amounts"
""")),
    Case("assert all in loop", "dirty_rows", cell("""
rows = [{"id": 1, "email": "a@b.c"}, {"id": 2, "email": ""}]
# %%
for row in rows:
    assert row["email"], f"row {row['id']} has no email"
""")),
    Case("assert polars filter", "dirty_rows", cell("""
import polars as pl
df = pl.DataFrame({"t": [12.0, 99.9]})
hot = df.filter(pl.col("t") > 60)
# %%
assert hot.is_empty(), f"{hot.height} readings above 60 degrees"
""")),
    Case("float of thousands", "dirty_rows", cell("prices = ['1.234,50']\n[float(p) for p in prices]")),
    Case("fromtimestamp garbage", "dirty_rows", cell("import pandas as pd\npd.to_datetime(['2026-13-45'])")),
    Case("csv uneven for pyarrow", "dirty_rows", cell("import io\nfrom pyarrow import csv\ncsv.read_csv(io.BytesIO(b'a,b\\n1,2\\n3\\n'))")),
    Case("polars ragged", "dirty_rows", cell("import io, polars as pl\npl.read_csv(io.BytesIO(b'a,b\\n1,2\\n3,4,5\\n'))")),
    Case("duckdb not null", "dirty_rows", cell("""
import duckdb
c = duckdb.connect()
c.execute('create table t (a int not null)')
c.execute('insert into t values (null)')
""")),
    Case("knn nan", "dirty_rows", cell("""
import numpy as np
from sklearn.cluster import KMeans
KMeans(2).fit(np.array([[1.0], [np.nan], [2.0]]))
""")),
    Case("too few for clusters", "dirty_rows", cell("""
import numpy as np
from sklearn.cluster import KMeans
KMeans(8).fit(np.ones((3, 2)))
""")),
    Case("one class only", "dirty_rows", cell("""
import numpy as np
from sklearn.linear_model import LogisticRegression
LogisticRegression().fit(np.ones((4, 1)), [1, 1, 1, 1])
""")),
    Case("int of nan", "dirty_rows", cell("import pandas as pd\n[int(q) for q in pd.Series([1.0, float('nan')])]")),
    Case("lower of a number", "dirty_rows", cell("import pandas as pd\n[code.lower() for code in pd.Series(['A', 7], dtype=object)]")),
    Case("max of mixed", "dirty_rows", cell("import pandas as pd\npd.Series(['a', 1], dtype=object).max()")),
    Case("bad uuid in rows", "dirty_rows", cell("""
import uuid
rows = ['6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'x']
[uuid.UUID(r) for r in rows]
""")),
    Case("bad ip in rows", "dirty_rows", cell("import ipaddress\n[ipaddress.ip_address(a) for a in ['10.0.0.1', '10.0.0.300']]")),
    Case("arrow string too small", "dirty_rows", cell("import pyarrow as pa\npa.array(['1', 'x']).cast(pa.int64())")),
    Case("disk full in parquet", "resource", cell("""
import pandas as pd
with open('/dev/full', 'wb') as f:
    pd.DataFrame({'a': range(10**5)}).to_parquet(f)
""")),
    Case("disk full json", "resource", cell("import json\nwith open('/dev/full', 'w') as f:\n    json.dump(list(range(10**5)), f)")),
    Case("no more sockets", "resource", cell("""
import resource, socket
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (150, before[1]))
held = []
try:
    while True:
        held.append(socket.socket())
finally:
    for one in held: one.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
""")),
    Case("memory, told by an allocator", "resource", cell("raise MemoryError('memory allocation of 8000000000 bytes failed')")),
    Case("an array repeated beyond memory", "resource", cell("import numpy as np\nnp.repeat(np.arange(10**6), 10**8)")),
    Case("space checked", "resource", cell("""
import shutil
free = shutil.disk_usage(".").free
if free < 10**18:
    raise RuntimeError(f"not enough disk space: {free} bytes free")
""")),
    Case("wait for job", "timeout", cell("""
import time
deadline = time.monotonic() + 0.1
while True:
    if time.monotonic() > deadline:
        raise RuntimeError("training job did not finish within 0.1 s")
""")),
    Case("process join", "timeout", cell("""
import multiprocessing, time
p = multiprocessing.get_context("fork").Process(target=time.sleep, args=(5,))
p.start()
p.join(0.05)
try:
    if p.is_alive():
        raise TimeoutError("worker still running after 0.05 s")
finally:
    p.kill()
""")),
    Case("event wait", "timeout", cell("""
import threading
ready = threading.Event()
# %%
if not ready.wait(0.05):
    raise RuntimeError("features were not ready after 0.05 seconds")
""")),
    Case("joblib dies", "kernel_death", cell("""
import joblib, os
joblib.Parallel(n_jobs=2)(joblib.delayed(os._exit)(1) for _ in range(2))
""")),
    Case("r script killed", "kernel_death", cell("""
import subprocess
r = subprocess.run(['sh', '-c', 'kill -KILL $$'])
if r.returncode < 0:
    raise RuntimeError(f'forecast was killed by signal {-r.returncode}')
""")),
    Case("no engine for excel", "environment", cell("""
import pandas as pd
pd.DataFrame({'a': [1]}).to_excel('a.xlsx', engine='xlsxwriter')
""")),
    Case("np int", "environment", cell("import numpy as np\nnp.array([1.5]).astype(np.int)")),
    Case("np in1d", "environment", cell("import numpy as np\nnp.in1d([1], [1])")),
    Case("sklearn moved", "environment", cell("from sklearn.externals import joblib")),
    Case("pandas json_normalize moved", "environment", cell("from pandas.io.json import json_normalise_old")),
    Case("applymap", "environment", cell("import pandas as pd\npd.DataFrame({'a': [1]}).applymap(str)")),
    Case("delim_whitespace", "environment", cell("import io, pandas as pd\npd.read_csv(io.StringIO('a b'), delim_whitespace=True)")),
    Case("env int", "environment", cell("import os\nworkers = int(os.environ['N_WORKERS_X'])")),
    Case("git not there", "environment", cell("import subprocess\nsubprocess.check_output(['git-of-the-moon', 'rev-parse', 'HEAD'])")),
    Case("variables are missing, told as it leaves", "environment", cell("""
import os
missing = [name for name in ("A_DSN", "B_KEY") if not os.getenv(name)]
if missing:
    raise SystemExit("missing environment variables: " + ", ".join(missing))
""")),
    Case("no torch", "environment", cell("import torch")),
    Case("plotly image", "environment", cell("import plotly.graph_objects as go\ngo.Figure().write_image('a.png')")),
    Case("python too old", "environment", cell("import sys\nassert sys.version_info >= (3, 99), 'Python 3.99 needed'")),
    Case("kwargs typo", "code_bug", cell("import pandas as pd\npd.read_csv('a.csv', seperator=';')")),
    Case("np shape mismatch", "code_bug", cell("import numpy as np\nnp.concatenate([np.ones((2, 2)), np.ones((3, 3))])")),
    Case("list + int", "code_bug", cell("[1] + 1")),
    Case("str has no attr", "code_bug", cell("'a'.push('b')")),
    Case("call a module", "code_bug", cell("import datetime\ndatetime('2026')")),
    Case("not callable", "code_bug", cell("x = 5\nx()")),
    Case("missing arg", "code_bug", cell("def f(a, b): return a\nf(1)")),
    Case("loop var", "code_bug", cell("def total(xs):\n    for x in xs:\n        s = s + x\n    return s\ntotal([1])")),
    Case("none subscript", "code_bug", cell("def load():\n    df = [1]\ndata = load()\ndata[0]")),
    Case("sorted in place", "code_bug", cell("xs = [2, 1].sort()\nxs[0]")),
    Case("dict attr", "code_bug", cell("cfg = {'a': 1}\ncfg.a")),
    Case("date str compare", "code_bug", cell("import datetime as dt\ndt.date.today() > '2026-01-01'")),
    Case("merge wrong arg", "code_bug", cell("import pandas as pd\na = pd.DataFrame({'id': [1]})\na.merge(a, left_on='id')")),
    Case("bad scoring", "code_bug", cell("""
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.linear_model import Ridge
GridSearchCV(Ridge(), {'alfa': [1]}).fit(np.ones((9, 1)), np.ones(9))
""")),
    Case("feb 30 own", "code_bug", cell("import datetime as dt\nd = dt.date(2026, 1, 31)\nd.replace(month=2)")),
    Case("hour 24", "code_bug", cell("import datetime as dt\nnow = dt.datetime(2026, 11, 22, 23)\nnow.replace(hour=now.hour + 1)")),
    Case("ambiguous truth", "code_bug", cell("import numpy as np\nif np.array([1, 2]) == np.array([1, 2]): pass")),
    Case("json set", "code_bug", cell("import json\njson.dumps({1, 2})")),
    Case("encode twice", "code_bug", cell("b'a'.encode()")),
    Case("no transaction", "code_bug", cell("import duckdb\nduckdb.connect().execute('commit')")),
    Case("invalid header", "code_bug", cell("import requests\nrequests.get(URL, headers={'X': 5})")),
    Case("bad url", "code_bug", cell("import httpx\nhttpx.get('localhost/x')")),
    Case("a sort the other way round", "code_bug", cell("assert sorted([3, 1]) == [3, 1]")),
    Case("assert type", "code_bug", cell("rate = '0.1'\nassert isinstance(rate, float), 'rate must be a float'")),
    Case("assert shape", "code_bug", cell("import numpy as np\na = np.ones((2, 3))\nassert a.shape == (3, 2)")),
    Case("assert param", "code_bug", cell("alpha = 2\nassert alpha <= 1, f'alpha must not exceed 1, is {alpha}'")),
    Case("one prediction a row", "code_bug", cell("""
predictions, rows = [1, 2, 3], [1, 2]
assert len(predictions) == len(rows), 'one prediction per row'
""")),
    Case("value error own arg", "code_bug", cell("""
def fit(df, target):
    if target == '':
        raise ValueError('target must be given')
fit(1, '')
""")),
    Case("handler bug", "code_bug", cell("""
import requests
try:
    requests.get(URL + '/503').raise_for_status()
except requests.HTTPError as e:
    print(e.response.status)
""")),
    Case("a misspelled attribute of each file", "code_bug", cell("import glob\nfiles = glob.glob('*')\nnames = [f.nme for f in files]\n")),
    Case("thresholds", "code_bug", cell("thresholds = [0.1, 0.2]\nfor i in range(3):\n    thresholds[i]")),
]  # fmt: skip

# Written when they told all of THIRD; the name of each is its source.
FOURTH = [
    Case(source.strip(), label, cell(source))
    for label, source in cast(
        "tuple[tuple[FailureClass, str], ...]",
        (
            ("transient", _HTTP + """
api = serve(503, b'{"detail": "upstream busy"}')
# %%
import httpx
with httpx.Client(base_url=api, trust_env=False) as client:
    r = client.get("/rates")
    r.raise_for_status()
"""),
            ("transient", _HTTP + """
api = serve(429)
# %%
import urllib.request
pages = []
for page in range(3):
    with urllib.request.urlopen(f"{api}/orders?page={page}") as reply:
        pages.append(reply.read())
"""),
            ("transient", """
import sqlite3, pandas as pd
a, b = (sqlite3.connect("b.db", timeout=0, isolation_level=None) for _ in range(2))
a.execute("create table if not exists t (i)")
a.execute("begin exclusive")
# %%
try:
    pd.DataFrame({"i": [1]}).to_sql("t", b, if_exists="append")
finally:
    a.execute("rollback")
"""),
            ("transient", """
import socket
class FeedError(RuntimeError): pass
def read_feed():
    try:
        raise ConnectionResetError(104, "Connection reset by peer")
    except OSError as e:
        raise FeedError("feed broke off") from e
# %%
read_feed()
"""),
            ("transient", "import errno, os\nraise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))"),
            ("data_access", """
import datetime as dt, pandas as pd
day = dt.date(2026, 11, 21)
# %%
orders = pd.read_parquet(f"lake/orders/{day:%Y/%m/%d}.parquet")
"""),
            ("data_access", 'import duckdb\nduckdb.sql("select count(*) from read_csv(\'landing/2026-11-21/*.csv.gz\')").show()'),
            ("data_access", _HTTP + """
api = serve(404)
# %%
import requests
s = requests.Session()
r = s.get(f"{api}/v2/customers")
r.raise_for_status()
"""),
            ("data_access", """
open("p.parquet", "wb").write(b"<html>login</html>" * 50)
# %%
import polars as pl
pl.read_parquet("p.parquet")
"""),
            ("data_access", """
open("x.csv.gz", "wb").write(b"not gzip at all")
# %%
import pandas as pd
pd.read_csv("x.csv.gz")
"""),
            ("data_access", "import socket\ns = socket.socket()\ns.settimeout(1)\ns.connect(('127.0.0.1', 9))"),
            ("data_access", """
from pathlib import Path
def newest(folder):
    return max(Path(folder).glob("*.csv"), key=lambda p: p.name)
# %%
path = newest("deliveries-x")
"""),
            ("data_access", """
import glob, pandas as pd
def load(pattern):
    frames = []
    for path in glob.glob(pattern):
        frames.append(pd.read_csv(path))
    return pd.concat(frames, ignore_index=True)
# %%
df = load("stores/*.csv")
"""),
            ("data_access", """
raise PermissionError(13, "Permission denied", "/data/hr/salaries.csv")
"""),
            ("data_access", """
import datetime as dt
latest = dt.date(2026, 11, 10)
# %%
age = (dt.date(2026, 11, 22) - latest).days
if age > 3:
    raise ValueError(f"latest order is {age} days old")
"""),
            ("data_access", """
import pandas as pd
orders = pd.DataFrame({"day": pd.to_datetime(["2026-11-01"])})
# %%
latest = orders["day"].max()
assert latest >= pd.Timestamp("2026-11-22") - pd.Timedelta(days=2), f"latest order is from {latest:%Y-%m-%d}"
"""),
            ("data_access", "import pandas as pd\nopen('b.xlsx', 'w').write('<html>')\npd.read_excel('b.xlsx')"),
            ("schema_change", "import numpy as np\na = np.array([(1, 2.0)], dtype=[('id', int), ('amount', float)])\na['total']"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'id': [1]}).merge(pd.DataFrame({'ID': [1]}), on='id')"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).melt(id_vars=['region'])"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).sort_values('day')"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]}).rename({'b': 'c'})"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]}).filter(pl.col('status') == 'x')"),
            ("schema_change", """
import polars as pl
pl.LazyFrame({'a': ['x']}).select(pl.col('a').mean() + pl.col('a')).collect()
"""),
            ("schema_change", """
import pandas as pd
df = pd.DataFrame({"amount": ["1"]})
# %%
if not pd.api.types.is_numeric_dtype(df["amount"]):
    raise ValueError("amount is no longer numeric")
"""),
            ("schema_change", """
import io, pandas as pd
df = pd.read_csv(io.StringIO("a,b,c\\n1,2,3\\n"))
assert df.shape[1] == 4, f"expected 4 columns, found {df.shape[1]}"
"""),
            ("schema_change", """
import io, pandas as pd
df = pd.read_csv(io.StringIO("a;b\\n1;2\\n"))
df[["a", "b"]]
"""),
            ("schema_change", """
import sqlite3
c = sqlite3.connect(":memory:")
c.execute("create table sales (id int, amount_eur real)")
# %%
c.execute("select sum(amount) from sales").fetchone()
"""),
            ("schema_change", _HTTP + """
api = serve(200, b'{"rates": {"USD": 1.08}}')
# %%
import requests
rates = requests.get(api).json()["rates"]
# %%
chf = rates["CHF"]["mid"]
"""),
            ("schema_change", "import polars as pl\npl.DataFrame({'s': [{'a': 1}]}).select(pl.col('s').struct.field('b'))"),
            ("schema_change", """
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.linear_model import Ridge
m = make_pipeline(StandardScaler(), Ridge()).fit(pd.DataFrame({"a": [1.0, 2], "b": [1.0, 2]}), [1, 2])
# %%
m.predict(pd.DataFrame({"b": [1.0], "a": [1.0], "c": [2.0]}))
"""),
            ("dirty_rows", "from decimal import Decimal\nrows = ['1.5', '1,5']\n[Decimal(r) for r in rows]"),
            ("dirty_rows", """
from datetime import datetime
[datetime.strptime(d, '%d.%m.%Y') for d in ['21.11.2026', '2026-11-21']]
"""),
            ("dirty_rows", "import csv, io\n[float(r['a']) for r in csv.DictReader(io.StringIO('a\\n1\\nn.a.\\n'))]"),
            ("dirty_rows", "open('l.csv', 'wb').write('é'.encode('latin-1'))\nopen('l.csv', encoding='utf-8').read()"),
            ("dirty_rows", """
import numpy as np
from sklearn.linear_model import Lasso
Lasso().fit([[1.0], [float('nan')]], [1, 2])
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"price": [1.0, None, None]})
n = int(df["price"].isna().sum())
# %%
if n > 0:
    raise ValueError(f"{n} prices are missing")
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"id": [1, 1]})
dups = df[df["id"].duplicated()]
# %%
if not dups.empty:
    raise RuntimeError(f"found duplicates: {dups['id'].tolist()}")
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"lat": [47.0, 191.0]})
# %%
if not df["lat"].between(-90, 90).all():
    raise ValueError("latitude out of range in 1 row")
"""),
            ("dirty_rows", """
from datetime import date
rows = [{"id": 1, "day": date(2026, 11, 20)}, {"id": 2, "day": date(2062, 11, 20)}]
# %%
for r in rows:
    assert r["day"] <= date(2026, 11, 22), f"order {r['id']} lies in the future"
"""),
            ("dirty_rows", "import numpy as np\nx = np.array([1.0, np.nan])\nassert not np.isnan(x).any()"),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"a": [1]})
MIN = 500
# %%
n = len(df)
assert n >= MIN, f"{n} rows, want {MIN}"
"""),
            ("environment", """
import duckdb
n = duckdb.sql("select count(*) from (values (1), (null)) t(x) where x is null").fetchone()[0]
assert not n, f"{n} orders without customer"
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"country": ["DE", "XX"]})
known = {"DE", "CH"}
# %%
unknown = set(df["country"]) - known
assert not unknown, f"unknown countries: {unknown}"
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"country": ["DE", "XX"]})
unknown = set(df["country"]) - {"DE"}
if unknown:
    raise ValueError(f"unknown country codes: {unknown}")
"""),
            ("dirty_rows", """
import pandas as pd
from datetime import datetime
pd.Series(['2026-11-21', '']).apply(lambda s: datetime.strptime(s, '%Y-%m-%d'))
"""),
            ("dirty_rows", "import pandas as pd\nrows = [{'a': 1, 'n': '0x'}]\n[int(r['n']) for r in rows]"),
            ("dirty_rows", "import pandas as pd\ns = pd.Series([1, 2], index=['a', 'a'])\ns.reindex(['a', 'b'])"),
            ("dirty_rows", """
import sqlite3
c = sqlite3.connect(':memory:')
c.execute('create table t (a primary key)')
c.executemany('insert into t values (?)', [(1,), (1,)])
"""),
            ("resource", "import numpy as np\nnp.empty((10**9, 10**5))"),
            ("resource", "import numpy as np, pandas as pd\nnp.zeros((300_000, 300_000)) + 1.0"),
            ("resource", "with open('/dev/full', 'w') as f:\n    f.write('x' * 10**6)"),
            ("resource", """
import csv
with open('/dev/full', 'w') as f:
    w = csv.writer(f)
    w.writerows([[1] * 100] * 1000)
"""),
            ("resource", "raise MemoryError"),
            ("timeout", "import subprocess\nsubprocess.check_output(['sleep', '9'], timeout=0.05)"),
            ("timeout", """
import signal, time
def handler(*_):
    raise TimeoutError("scoring exceeded 1 s")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(3)
"""),
            ("timeout", """
import time
t = time.monotonic()
while time.monotonic() - t < 0.1: pass
raise RuntimeError("timeout: export job still running after 30 min")
"""),
            ("timeout", """
import concurrent.futures as cf, time
with cf.ThreadPoolExecutor() as p:
    p.submit(time.sleep, 0.3).result(timeout=0.01)
"""),
            ("kernel_death", """
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(1, mp_context=get_context('fork')) as p:
    p.submit(os._exit, 134).result()
"""),
            ("kernel_death", "import subprocess\nsubprocess.run(['sh', '-c', 'kill -ABRT $$'], check=True)"),
            ("environment", "import great_expectations_of_the_moon"),
            ("environment", "import os\nkey = os.environ['API_KEY_X']"),
            ("environment", "import os\nfrom pathlib import Path\nroot = Path(os.getenv('DATA_ROOT_X'))"),
            ("environment", "import os\nbase = os.getenv('DATA_ROOT_X')\n# %%\npath = os.path.join(base, 'a.csv')"),
            ("environment", "import os\nhosts = os.environ.get('HOSTS_X').split(',')"),
            ("environment", "import shutil\nif shutil.which('ffmpeg-x') is None:\n    raise RuntimeError('ffmpeg-x not found')"),
            ("environment", "import numpy as np\nnp.product([1, 2])"),
            ("environment", "import pandas as pd\npd.DataFrame({'a': [1]}).ix[0]"),
            ("environment", "from sklearn.metrics import plot_confusion_matrix"),
            ("environment", "from sklearn.metrics import mean_squared_error\nmean_squared_error([1], [1], squared=False)"),
            ("environment", "import polars as pl\npl.DataFrame({'a': [1]}).with_column(pl.lit(1))"),
            ("environment", "import pandas as pd\npd.to_datetime(['1'], infer_datetime_format=True)"),
            ("environment", "import pandas as pd\nfrom zoneinfo import ZoneInfo\nZoneInfo('US/Nowhere')"),
            ("environment", "import sqlalchemy\nsqlalchemy.create_engine('duckdb_x:///a.db')"),
            ("environment", "import errno\nraise OSError(errno.EROFS, 'Read-only file system', '/srv/out.csv')"),
            ("environment", "import pandas\nassert int(pandas.__version__.split('.')[0]) < 2, 'needs pandas 1'"),
            ("code_bug", "import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndff.head()"),
            ("code_bug", "import datetime as dt\nd = dt.date(2026, 12, 31)\ndt.date(d.year, d.month + 1, d.day)"),
            ("code_bug", "import datetime as dt\ntoday = dt.date(2028, 2, 29)\ntoday.replace(year=2027)"),
            ("code_bug", "import datetime as dt\ndt.datetime.now(dt.timezone.utc) > dt.datetime.now()"),
            ("code_bug", "xs = [3, 1]\nxs = xs.sort()\nxs.append(2)"),
            ("code_bug", "from sklearn.linear_model import Ridge\nRidge().fit([[1.0], [2.0]], [1])"),
            ("code_bug", """
from sklearn.ensemble import RandomForestClassifier
RandomForestClassifier(n_estimators='many').fit([[1.0], [2.0]], [0, 1])
"""),
            ("code_bug", "import json, numpy as np\njson.dumps({'n': np.int64(3)})"),
            ("code_bug", "price = 'abc'\nf'{price:.2f}'"),
            ("code_bug", "d = {1: 2}\nfor k in d:\n    d[k + 10] = 1"),
            ("code_bug", "pairs = {'a': 1}\nfor k, v in pairs:\n    pass"),
            ("code_bug", "with open('n.txt', 'w') as f:\n    f.read()"),
            ("code_bug", "def scale(x, by):\n    return x * by\nscale(3, factor=2)"),
            ("code_bug", "class Loader:\n    def load(self): return 1\nLoader().lod()"),
            ("code_bug", "params = {'depth': 3}\nparams['dept']"),
            ("code_bug", "s = {1, 2}\ns[0]"),
            ("code_bug", "'5' - 1"),
            ("code_bug", "xs = [1, 2, 3]\nxs[len(xs) / 2]"),
            ("code_bug", "import duckdb\nduckdb.sql('selec 1')"),
            ("code_bug", 'import duckdb\nduckdb.sql("select strftime_x(now(), \'%Y\')").fetchall()'),
            ("code_bug", "import polars as pl\npl.DataFrame({'a': [1, 2], 'b': [1]})"),
            ("code_bug", "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': [1]})"),
            ("code_bug", "import pandas as pd\na = pd.DataFrame({'x': [1]})\na.join(a)"),
            ("code_bug", "def dedupe(xs): return xs\n# %%\nout = dedupe([1, 1])\nassert len(out) == 1"),
            ("code_bug", "import json\nx = {'a': (1, 2)}\nassert json.loads(json.dumps(x)) == x"),
            ("code_bug", "n_splits = 1\nassert n_splits > 1, 'n_splits must be at least 2'"),
            ("code_bug", "weights = [0.5, 0.4]\nassert sum(weights) == 1"),
            ("code_bug", "import xgboost\nxgboost.XGBRegressor(objective='reg:sq', n_estimators=1).fit([[1.0]], [1])"),
            ("code_bug", """
open('mymod.py', 'w').write('x = 1')
import sys, importlib; sys.path.insert(0, '.'); importlib.invalidate_caches()
from mymod import y
"""),
            ("code_bug", "folds = []\nsum(folds) / len(folds)"),
        ),
    )
]  # fmt: skip

# Written when they told all of FOURTH.
FIFTH = [
    Case(source.strip(), label, cell(source))
    for label, source in cast(
        "tuple[tuple[FailureClass, str], ...]",
        (
            ("transient", _HTTP + """
api = serve(502)
# %%
import pandas as pd
prices = pd.read_csv(f"{api}/prices.csv")
"""),
            ("transient", "import urllib3\nurllib3.PoolManager(retries=False).request('GET', URL + '/slow', timeout=0.1)"),
            ("transient", """
import socket
s = socket.create_connection(('127.0.0.1', int(URL.rsplit(':', 1)[1])))
s.settimeout(0.05)
s.recv(1)
"""),
            ("transient", "class LockHeld(Exception): pass\nraise LockHeld('orders table is locked by nightly-load')"),
            ("transient", "raise RuntimeError('Snowflake: warehouse temporarily unavailable')"),
            ("data_access", "import json\nfrom pathlib import Path\nmanifest = json.loads(Path('manifest.json').read_text())"),
            ("data_access", "import json\nopen('m.json', 'w').close()\njson.load(open('m.json'))"),
            ("data_access", "import pandas as pd\nopen('e.parquet', 'wb').close()\npd.read_parquet('e.parquet')"),
            ("data_access", "import zipfile\nopen('z.zip', 'wb').close()\nzipfile.ZipFile('z.zip')"),
            ("data_access", "import pickle\nopen('m.pkl', 'wb').write(b'\\x80\\x04\\x95')\npickle.load(open('m.pkl', 'rb'))"),
            ("data_access", "import joblib\nopen('m.joblib', 'wb').write(b'version https://git-lfs')\njoblib.load('m.joblib')"),
            ("data_access", "from pathlib import Path\nsorted(Path('nowhere').iterdir())"),
            ("data_access", "import shutil\nshutil.unpack_archive('gone.zip', 'x')"),
            ("data_access", "import sqlite3\nsqlite3.connect('file:gone.db?mode=ro', uri=True).execute('select 1')"),
            ("data_access", _HTTP + """
api = serve(200, b'<html>Maintenance</html>')
# %%
import requests
rates = requests.get(api).json()["rates"]
"""),
            ("data_access", """
from pathlib import Path
files = sorted(Path("in").glob("*.csv"))
if len(files) == 0:
    raise RuntimeError("the supplier sent nothing")
"""),
            ("data_access", """
import os
path = "exports/latest.csv"
if not os.path.exists(path):
    raise ValueError(f"{path}?")
"""),
            ("data_access", _HTTP + """
api = serve(403)
# %%
import httpx
r = httpx.get(api, trust_env=False)
if r.is_error:
    raise RuntimeError(f"crm: {r.status_code} {r.reason_phrase}")
"""),
            ("schema_change", _HTTP + """
api = serve(200, b'[{"id": 1, "amount": {"value": 3}}]')
# %%
import requests, pandas as pd
df = pd.DataFrame(requests.get(api).json())
# %%
df["amount"] * 2
"""),
            ("schema_change", """
import pandas as pd
df = pd.DataFrame({"when": ["2026-01-01"]})
# %%
df.resample("D", on="when").size()
"""),
            ("schema_change", """
import pandas as pd
df = pd.DataFrame({"price": ["1", "2"], "cost": [1, 1]})
# %%
df["margin"] = df["price"] - df["cost"]
"""),
            ("schema_change", """
import pandas as pd
df = pd.DataFrame({"a": ["x"], "b": [1]})
df.groupby("b")["a"].mean()
"""),
            ("schema_change", """
import pandas as pd
df = pd.DataFrame({"x": [1]})
expected = ["x", "y"]
missing = [c for c in expected if c not in df.columns]
if missing:
    raise RuntimeError(f"{missing}")
"""),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).query('b > 1')"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).eval('c = a + b')"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).explode('b')"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).dropna(subset=['b'])"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).drop_duplicates(subset=['b'])"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).pivot_table(index='a', values='v')"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]})['b']"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]}).drop('b')"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]}).sort('b')"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]}).join(pl.DataFrame({'c': [1]}), on='a')"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': [1]}).with_columns(pl.col('a').str.to_uppercase())"),
            ("schema_change", "import polars as pl\npl.DataFrame({'a': ['1']}).filter(pl.col('a') > 3)"),
            ("schema_change", "import duckdb, pandas as pd\ndf = pd.DataFrame({'a': [1]})\nduckdb.sql('select b from df')"),
            ("schema_change", """
import duckdb
duckdb.sql("create or replace table t1 as select 'x' as a")
duckdb.sql('select a + 1 from t1 where a > date_trunc(\\'day\\', a)').fetchall()
"""),
            ("schema_change", """
import numpy as np
from sklearn.decomposition import PCA
PCA(2).fit(np.random.rand(9, 3)).transform(np.ones((2, 4)))
"""),
            ("schema_change", """
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder
ColumnTransformer([('a', OneHotEncoder(), ['city'])]).fit(pd.DataFrame({'town': ['x']}))
"""),
            ("schema_change", "import pandas as pd\nfor row in pd.DataFrame({'a': [1]}).itertuples():\n    row.b"),
            ("schema_change", "import pandas as pd\nfor _, row in pd.DataFrame({'a': [1]}).iterrows():\n    row['b']"),
            ("schema_change", "import pandas as pd\npd.DataFrame({'a': [1]}).apply(lambda r: r['b'], axis=1)"),
            ("dirty_rows", "import pandas as pd\npd.Series(['1', '-']).astype('float')"),
            ("dirty_rows", "import pandas as pd\npd.to_numeric(['1', '2,5'])"),
            ("dirty_rows", "import pandas as pd\npd.to_timedelta(['1 day', 'soon'])"),
            ("dirty_rows", "import pandas as pd\npd.DataFrame({'a': ['x', 'y']}).astype({'a': 'datetime64[ns]'})"),
            ("dirty_rows", "import pandas as pd\npd.Series([1, None]).astype(int)"),
            ("dirty_rows", "import numpy as np\nnp.array(['1', 'x']).astype(float)"),
            ("dirty_rows", "import numpy as np\nnp.genfromtxt(['1 2', '3'])"),
            ("dirty_rows", "import pandas as pd, numpy as np\nnp.histogram(pd.Series([1.0, np.nan]))"),
            ("dirty_rows", "import polars as pl\npl.Series(['2026-11-21', 'x']).str.strptime(pl.Date, '%Y-%m-%d')"),
            ("dirty_rows", "import polars as pl\npl.Series([1, 300]).cast(pl.UInt8)"),
            ("dirty_rows", 'import duckdb\nduckdb.sql("select strptime(\'21/11\', \'%Y-%m-%d\')").fetchall()'),
            ("dirty_rows", 'import duckdb\nduckdb.sql("select \'2026-13-01\'::date").fetchall()'),
            ("dirty_rows", 'import json\nlines = [\'{"a": 1}\', \'{"a": 1\']\n[json.loads(l) for l in lines]'),
            ("dirty_rows", "rows = [{'n': ''}]\nsum(int(r['n']) for r in rows)"),
            ("dirty_rows", "rows = [{'a': 1, 'b': 0}, {'a': None, 'b': 1}]\n[r['a'] + r['b'] for r in rows]"),
            ("dirty_rows", "names = ['Ann Bell', 'Cher']\nfor name in names:\n    first, last = name.split(' ')"),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"v": [1.0, None]})
if df["v"].isna().mean() > 0.1:
    raise Exception("too much is empty")
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"id": [1, 1]})
assert not df.duplicated().any()
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"d": pd.to_datetime(["2026-11-20", "2026-11-22"])})
gaps = df["d"].diff().dt.days.max()
assert gaps <= 1, f"{gaps} days without data"
"""),
            ("dirty_rows", """
import pandas as pd
old, new = pd.DataFrame({"a": range(1000)}), pd.DataFrame({"a": range(10)})
assert len(new) > 0.5 * len(old), f"only {len(new)} rows, yesterday {len(old)}"
"""),
            ("dirty_rows", """
import pandas as pd
df = pd.DataFrame({"price": [-1.0]})
negative = (df["price"] < 0).sum()
if negative:
    raise ValueError(f"negative: {negative}")
"""),
            ("dirty_rows", """
import pandas as pd
pd.Series([1, 2], index=pd.to_datetime(['2026-03-29 02:30', '2026-03-30'])).tz_localize('Europe/Berlin')
"""),
            ("resource", "x = bytearray(10**15)"),
            ("resource", """
import numpy as np
from scipy.spatial.distance import pdist
np.zeros((10**7, 10**6), dtype='float64')
"""),
            ("resource", "open('/dev/full', 'wb', buffering=0).write(b'x')"),
            ("resource", "import logging\nraise OSError(28, 'No space left on device')"),
            ("resource", "import pandas as pd\npd.DataFrame({'a': range(10)}).to_json('/dev/full')"),
            ("resource", "raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')"),
            ("timeout", "import asyncio\nraise asyncio.TimeoutError('features took more than 60 s')"),
            ("timeout", "class JobTimeout(Exception): pass\nraise JobTimeout('dbt run')"),
            ("timeout", "raise SystemExit('gave up: still running after 2 hours')"),
            ("environment", "import os\nif 'GCP_PROJECT_X' not in os.environ:\n    raise RuntimeError('GCP_PROJECT_X')"),
            ("environment", "import os\nuser, password = os.environ['U_X'], os.environ['P_X']"),
            ("environment", "import os\nport = int(os.getenv('PORT_X'))"),
            ("environment", "import os\nos.getenv('HOSTS_X').split(',')"),
            ("environment", "import importlib\nimportlib.import_module('xlsx2csv_of_the_moon')"),
            ("environment", "import importlib.metadata as m\nm.version('not-there')"),
            ("environment", "import pandas as pd\npd.read_html('<table><tr><td>1</td></tr></table>', flavor='lxml')"),
            ("environment", "import pandas as pd\npd.DataFrame({'a': [1]}).to_markdown()"),
            ("environment", "import pandas as pd\npd.read_csv('s3://bucket/x.csv')"),
            ("environment", "import polars as pl\npl.DataFrame({'a': [1]}).write_excel('a.xlsx')"),
            ("environment", "import numpy as np\nnp.cumproduct([1])"),
            ("environment", "import numpy as np\nnp.asfarray([1])"),
            ("environment", "import numpy as np\nnp.array([1]).itemset(0, 2)"),
            ("environment", "import pandas as pd\npd.DataFrame({'a': [1]}).mad()"),
            ("environment", "import pandas as pd\npd.Timestamp('2026-01-01').freq"),
            ("environment", "from sklearn.datasets import load_boston"),
            ("environment", "import subprocess\nsubprocess.Popen(['spark-submit-x', 'a.py'])"),
            ("environment", "import shutil\nassert shutil.which('pdflatex-x'), 'pdflatex is needed'"),
            ("code_bug", "class A: pass\nA() + 1"),
            ("code_bug", "import pandas as pd\npd.DataFrame({'a': [1]}).sortvalues('a')"),
            ("code_bug", "import pandas as pd\npd.Dataframe({'a': [1]})"),
            ("code_bug", "import numpy as np\nnp.ones((2, 3)).reshape(4, 2)"),
            ("code_bug", "import numpy as np\nnp.linalg.inv(np.ones((2, 3)))"),
            ("code_bug", "import pandas as pd\npd.DataFrame([1, 2], columns=['a', 'b'])"),
            ("code_bug", "import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndf.loc[0, 'a', 'b']"),
            ("code_bug", "import pandas as pd\npd.DataFrame({'a': [1]}).iloc['a']"),
            ("code_bug", "import pandas as pd\npd.date_range('2026-01-01', freq='quarterlyy', periods=2)"),
            ("code_bug", "import pandas as pd\npd.read_csv(['a.csv'])"),
            ("code_bug", "import matplotlib.pyplot as plt\nplt.subplots(2, 2)[1][3, 0].plot([1])"),
            ("code_bug", "import sklearn.metrics as m\nm.accuracy_score([1, 0], [1])"),
            ("code_bug", "from sklearn.model_selection import train_test_split\ntrain_test_split([1, 2, 3], test_size=1.5)"),
            ("code_bug", "from sklearn.model_selection import KFold\nlist(KFold(n_splits=1).split([1, 2]))"),
            ("code_bug", 'import json\nconfig = json.loads(\'{"depth": 3}\')\nconfig[\'dept\']'),
            ("code_bug", "result = {'score': 1}\nresult['scores']"),
            ("code_bug", "cache = {}\ncache['key'] += 1"),
            ("code_bug", "def get(d, k):\n    return d[k]\nget({'a': 1}, 'b')"),
            ("code_bug", "import datetime as dt\ndt.datetime(2026, 11, 22).strftme('%Y')"),
            ("code_bug", "import datetime as dt\ndt.timedelta(weeks='1')"),
            ("code_bug", "import random\nrandom.choice([])"),
            ("code_bug", "import itertools\nnext(itertools.islice([1], 3, None))"),
            ("code_bug", "async def f(): return 1\nc = f()\ntry:\n    c + 1\nfinally:\n    c.close()"),
            ("code_bug", "from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int\nP(b=1)"),
            ("code_bug", "import string\n'{name}'.format(nam='x')"),
            ("code_bug", "'%d' % 'x'"),
            ("code_bug", "import math\nmath.sqrt(-1)"),
            ("code_bug", "raise ValueError(f'n_estimators must be positive, got -1')"),
            ("code_bug", "assert 1 == 2"),
            ("code_bug", "loss = float('nan')\nassert loss == loss, 'training diverged'"),
            ("code_bug", "import shutil\nshutil.unpack_archive('a.foo')"),
            ("code_bug", "import os\nos.fdopen(987)"),
            ("code_bug", "import os\nos.read(987, 1)"),
            ("code_bug", "import pandas as pd\npd.read_csv('a.csv', compression='zipp')"),
            ("code_bug", "import pandas as pd\npd.read_excel('plan.xlsx', engine='calc')"),
            ("code_bug", "import tarfile\ntarfile.open('x.tar', 'q')"),
            ("code_bug", "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.savefig('x.foo')"),
            ("code_bug", "open('closed.txt', 'w').close()\nf = open('closed.txt')\nf.close()\nf.read()"),
            ("code_bug", "import json\njson.load('file.json')"),
        ),
    )
]  # fmt: skip

# Bugs that sound like something else, or happen beside files and services: none of them may be tried again.
BUGS = [
    Case(source, "code_bug", cell(source))
    for source in (
        "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('sales-03/11/2026.csv')",
        "day = '2026-11-03'\nwith open(f'reports/{day}/summary.txt', 'w') as file:\n    file.write('done')",
        "import os\nfiles = os.listdir('/')\nfiles[len(files)]",
        "import os\nfiles = sorted(os.listdir('/'))\nfor i in range(len(files) + 1):\n    files[i]",
        "import os\nsizes = {f: 1 for f in os.listdir('/')}\nsizes['x.csv']",
        "raise ValueError('expected 200 values, got 429 from split')",
        "raise RuntimeError('expected 300 rows, got 503')",
        "assert 3 == 4, 'expected 3 rows, got 503'",
        "def fit(data):\n    assert data, 'no data passed to fit'\nfit([])",
        "def pick(rows):\n    assert rows, 'no rows selected'\npick([])",
        "average, now = 3, 2\nassert average < now, 'average above'",
        "message = ''\nassert message, 'empty message'",
        "last_loss, loss = 1, 2\nassert loss < last_loss, 'loss went up'",
        "import datetime as dt\nstart, end = dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 1)\nassert start < end, 'start after end'",
        "raise ValueError('timeout must be positive')",
        "raise TypeError('connection must be a Connection')",
        "raise ValueError('unknown host type busy')",
        "timeouts = {'read': 3}\ntimeouts['connection reset']",
        "raise NotImplementedError('try again later')",
        "def retry(n):\n    if n < 1:\n        raise ValueError('retries exhausted: n must be at least 1')\nretry(0)",
        "import requests\nrequests.get('localhost:99/x')",
        "import requests\nrequests.get('http://')",
        "import requests\nrequests.get(URL + '/200', timeout=-1)",
        "import requests\nrequests.get(URL + '/405').raise_for_status()",
        "import requests\nrequests.post(URL + '/200', json={1, 2})",
        "import socket\nsocket.socket().connect(('127.0.0.1', '80'))",
        "import sqlite3\nsqlite3.connect(':memory:').execute('insert into')",
        "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t (a)')\nc.execute('create table t (a)')",
        "import duckdb\nduckdb.connect('/tmp/x.duckdb', read_onli=True)",
        "import threading\nt = threading.Thread(target=print)\nt.join()",
        "import queue\nqueue.Queue().get_nowait()",
        "import asyncio\nasyncio.get_running_loop().run_until_complete(asyncio.sleep(0))",
        "import multiprocessing\nmultiprocessing.Pool(0)",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as p:\n    p.submit(lambda: {}['timeout']).result()",
        "from concurrent.futures import ThreadPoolExecutor\np = ThreadPoolExecutor(1)\np.shutdown()\np.submit(print)",
        "import time\ntime.sleep('timed out')",
        "import zipfile\nzipfile.ZipFile('a.zip', 'q')",
        "import json\njson.loads({'a': 1})",
        "import json\njson.dumps(object())",
        "import pickle\npickle.dumps(lambda: 1)",
        "import pathlib\npathlib.Path('x') + 'y'",
        "import shutil\nshutil.make_archive('a', 'zipp', '.')",
        "import os\nos.rename",
        "import subprocess\nsubprocess.run(['sh', '-c', 'exit 3'], check=True)",
        "import subprocess\nsubprocess.run(['ls'], timout=3)",
        "import signal\nsignal.signal(99, print)",
        "import sys\nsys.exit(2)",
        "import sys\nsys.exit('usage: train --depth N')",
        "class ClientError(Exception): pass\nraise ClientError('parameter depth is invalid')",
        "def load(path):\n    raise IOError if False else ValueError(f'bad path {path!r}')\nload('')",
        "import pandas as pd\npd.concat([])",
        "import pandas as pd\npd.concat(pd.DataFrame({'a': [1]}))",
        "max([])",
        "import ssl\nssl.create_default_context().wrap_socket(None)",
        "import email.message\nm = email.message.EmailMessage()\nm['To'] = 'a\\nb'",
        "import logging\nlogging.getLogger('x').setLevel('LOUD')",
        "import re\nre.match('a', None)",
        "import datetime as dt\ndt.datetime.strptime('2026-01-01', 5)",
        "import xgboost, numpy as np\nxgboost.XGBRegressor(objective='reg:sqarederror', n_estimators=1).fit(np.ones((4, 1)), np.ones(4))",
        "import lightgbm\ndata = lightgbm.Dataset([[1.0, 2.0]] * 50, [1] * 50)\nlightgbm.train({'objective': 'nonsense'}, data)",
        "import polars as pl\npl.DataFrame({'a': [1]}).sort()",
        "import polars as pl\npl.col('a') and pl.col('b')",
        "import pyarrow as pa\npa.table({'a': [1], 'b': [1, 2]})",
        "import sqlalchemy\nsqlalchemy.create_engine('nonsense')",
        "import sqlalchemy\ne = sqlalchemy.create_engine('sqlite://')\nwith e.connect() as c:\n    c.execute('select 1')",
        "import sqlalchemy\ne = sqlalchemy.create_engine('sqlite://')\nwith e.connect() as c:\n    c.execute(sqlalchemy.text('select :a'))",
        "class Connection:\n    def close(self):\n        self.sock.close()\nConnection().close()",
        "cache = {}\ndef busy(k):\n    return cache[k]\nbusy('rate limit')",
        "raise Exception('depth 3 is unsupported')",
        "if not hasattr(str, 'x'):\n    raise RuntimeError('call connect() before query()')",
        "raise RuntimeError('model is not fitted')",
        "raise RuntimeError('pipeline steps are in the wrong order')",
        "raise RuntimeError('step features was already run')",
    )
]

# What only a kernel does: another user, and `await` outside of functions.
ALONE = [
    Case("the output folder may not be written", "environment", cell("""
import os, pathlib
import pandas as pd
pathlib.Path("published").mkdir(exist_ok=True)
before = os.getresuid()
if before[0] == 0:
    os.setresuid(65534, 65534, 0)
try:
    os.makedirs("/usr/published")
finally:
    os.setresuid(*before)
""")),
    Case("a task is late", "timeout", cell("import asyncio\nawait asyncio.wait_for(asyncio.sleep(3), 0.05)")),
]  # fmt: skip

CELLS = [*FILES, *ASSERTS, *KEYS, *VALUES, *SURROUNDINGS, *SERVICES, *SECOND, *THIRD, *FOURTH, *FIFTH, *BUGS]


class Told(NamedTuple):
    """What a library raises that is not installed here; `native` when it does so in C, and the user's line is the last that is known."""

    label: FailureClass
    raised: str
    message: str
    native: bool = False

    @property
    def evidence(self) -> Evidence:
        """What its traceback tells."""
        module = self.raised.rpartition(".")[0].replace(".", "/") or "library"
        library = f'  File "/venv/lib/python3.11/site-packages/{module}.py", line 9, in load\n    raise error\n'
        return evidence_from_text(
            'Traceback (most recent call last):\n  File "Cell In[3]", line 1, in <module>\n    orders = client.load("orders")\n'
            f"{'' if self.native else library}{self.raised}: {self.message}\n"
        )


_S3 = "An error occurred ({}) when calling the {} operation: {}"
_GCS = "https://storage.googleapis.com/storage/v1/b/landing/o/orders.csv"

TOLD = [
    # psycopg2, whose errors are raised in C
    Told(
        "data_access", "psycopg2.OperationalError",
        'connection to server at "db" (10.0.0.5), port 5432 failed: Connection refused\n\tIs the server '
        "running on that host and accepting TCP/IP connections?", native=True,
    ),
    Told(
        "data_access", "psycopg2.OperationalError",
        'connection to server at "db" (10.0.0.5), port 5432 failed: FATAL:  password authentication failed '
        'for user "etl"', native=True,
    ),
    Told(
        "data_access", "psycopg2.OperationalError",
        'could not translate host name "warehouse" to address: Name or service not known', native=True,
    ),
    Told(
        "data_access", "psycopg2.OperationalError",
        'connection to server at "db" (10.0.0.5), port 5432 failed: FATAL:  database "sales" does not exist', native=True,
    ),
    Told(
        "transient", "psycopg2.OperationalError",
        'connection to server at "db" (10.0.0.5), port 5432 failed: Connection timed out', native=True,
    ),
    Told(
        "transient", "psycopg2.OperationalError",
        "FATAL:  remaining connection slots are reserved for non-replication superuser connections", native=True,
    ),
    Told(
        "transient", "psycopg2.OperationalError",
        "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally", native=True,
    ),
    Told("transient", "psycopg2.OperationalError", "SSL SYSCALL error: EOF detected", native=True),
    Told("transient", "psycopg2.errors.DeadlockDetected", "deadlock detected\nDETAIL:  Process 17 waits for ShareLock", native=True),
    Told("transient", "psycopg2.errors.AdminShutdown", "terminating connection due to administrator command", native=True),
    Told("transient", "psycopg2.errors.CannotConnectNow", "the database system is starting up", native=True),
    Told("transient", "psycopg2.errors.TooManyConnections", 'too many connections for role "etl"', native=True),
    Told("timeout", "psycopg2.errors.QueryCanceled", "canceling statement due to statement timeout", native=True),
    Told(
        "schema_change", "psycopg2.errors.UndefinedTable",
        'relation "orders" does not exist\nLINE 1: select * from orders', native=True,
    ),
    Told("schema_change", "psycopg2.errors.UndefinedColumn", 'column "amount" does not exist', native=True),
    Told("dirty_rows", "psycopg2.errors.UniqueViolation", 'duplicate key value violates unique constraint "orders_pkey"', native=True),
    Told(
        "dirty_rows", "psycopg2.errors.NotNullViolation",
        'null value in column "customer" of relation "orders" violates not-null constraint', native=True,
    ),
    Told(
        "dirty_rows", "psycopg2.errors.ForeignKeyViolation",
        'insert or update on table "orders" violates foreign key constraint "orders_customer_fkey"', native=True,
    ),
    Told("dirty_rows", "psycopg2.errors.InvalidTextRepresentation", 'invalid input syntax for type integer: "n/a"', native=True),
    Told("dirty_rows", "psycopg2.errors.NumericValueOutOfRange", "integer out of range", native=True),
    Told("dirty_rows", "psycopg2.errors.StringDataRightTruncation", "value too long for type character varying(3)", native=True),
    Told("dirty_rows", "psycopg2.errors.DatetimeFieldOverflow", 'date/time field value out of range: "2026-13-01"', native=True),
    Told("data_access", "psycopg2.errors.InsufficientPrivilege", "permission denied for table orders", native=True),
    Told("resource", "psycopg2.errors.DiskFull", 'could not extend file "base/1/2": No space left on device', native=True),
    Told("resource", "psycopg2.errors.OutOfMemory", "out of memory\nDETAIL:  Failed on request of size 1024", native=True),
    Told("code_bug", "psycopg2.errors.SyntaxError", 'syntax error at or near "form"', native=True),
    Told("code_bug", "psycopg2.errors.UndefinedFunction", "function dat_trunc(unknown, date) does not exist", native=True),
    Told("code_bug", "psycopg2.errors.DuplicateTable", 'relation "daily" already exists', native=True),
    Told(
        "code_bug", "psycopg2.errors.InFailedSqlTransaction",
        "current transaction is aborted, commands ignored until end of transaction block", native=True,
    ),
    Told("code_bug", "psycopg2.InterfaceError", "cursor already closed", native=True),
    # pyodbc, which is C too
    Told(
        "environment", "pyodbc.Error",
        '(\'01000\', "[01000] [unixODBC][Driver Manager]Can\'t open lib \'ODBC Driver 18 for SQL Server\' : file '
        'not found (0) (SQLDriverConnect)")', native=True,
    ),
    Told(
        "environment", "pyodbc.InterfaceError",
        "('IM002', '[IM002] [Microsoft][ODBC Driver Manager] Data source name not found and no default "
        "driver specified (0) (SQLDriverConnect)')", native=True,
    ),
    Told(
        "data_access", "pyodbc.InterfaceError",
        '(\'28000\', "[28000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Login failed for user '
        '\'etl\'. (18456) (SQLDriverConnect)")', native=True,
    ),
    Told(
        "schema_change", "pyodbc.ProgrammingError",
        '(\'42S02\', "[42S02] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Invalid object name '
        '\'dbo.orders\'. (208) (SQLExecDirectW)")', native=True,
    ),
    Told(
        "schema_change", "pyodbc.ProgrammingError",
        '(\'42S22\', "[42S22] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Invalid column name '
        '\'amount\'. (207) (SQLExecDirectW)")', native=True,
    ),
    Told(
        "transient", "pyodbc.Error",
        "('40001', '[40001] [Microsoft][SQL Server]Transaction (Process ID 61) was deadlocked on lock "
        "resources with another process. (1205)')", native=True,
    ),
    Told(
        "transient", "pyodbc.OperationalError",
        "('08S01', '[08S01] [Microsoft][ODBC Driver 18 for SQL Server]Communication link failure (0) "
        "(SQLExecDirectW)')", native=True,
    ),
    Told(
        "transient", "pyodbc.OperationalError",
        "('HYT00', '[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0) "
        "(SQLDriverConnect)')", native=True,
    ),
    Told(
        "dirty_rows", "pyodbc.DataError",
        "('22001', '[22001] [Microsoft][SQL Server]String or binary data would be truncated. (2628) "
        "(SQLExecDirectW)')", native=True,
    ),
    Told(
        "code_bug", "pyodbc.ProgrammingError",
        '(\'42000\', "[42000] [Microsoft][SQL Server]Incorrect syntax near the keyword \'form\'. (156) '
        '(SQLExecDirectW)")', native=True,
    ),
    # pymysql, Oracle, Snowflake, MongoDB, Redis, Kafka
    Told("data_access", "pymysql.err.OperationalError", "(1045, \"Access denied for user 'etl'@'10.0.0.7' (using password: YES)\")"),
    Told(
        "data_access", "pymysql.err.OperationalError",
        '(2003, "Can\'t connect to MySQL server on \'db\' ([Errno 111] Connection refused)")',
    ),
    Told("transient", "pymysql.err.OperationalError", "(2013, 'Lost connection to MySQL server during query')"),
    Told("transient", "pymysql.err.OperationalError", "(1213, 'Deadlock found when trying to get lock; try restarting transaction')"),
    Told("transient", "pymysql.err.OperationalError", "(1040, 'Too many connections')"),
    Told("schema_change", "pymysql.err.ProgrammingError", "(1146, \"Table 'sales.orders' doesn't exist\")"),
    Told("schema_change", "pymysql.err.OperationalError", "(1054, \"Unknown column 'amount' in 'field list'\")"),
    Told("dirty_rows", "pymysql.err.IntegrityError", "(1062, \"Duplicate entry '17' for key 'orders.PRIMARY'\")"),
    Told("dirty_rows", "pymysql.err.DataError", "(1406, \"Data too long for column 'code' at row 1\")"),
    Told("code_bug", "pymysql.err.ProgrammingError", '(1064, "You have an error in your SQL syntax; check the manual")'),
    Told("schema_change", "oracledb.exceptions.DatabaseError", "ORA-00942: table or view does not exist"),
    Told("schema_change", "oracledb.exceptions.DatabaseError", 'ORA-00904: "AMOUNT": invalid identifier'),
    Told("data_access", "oracledb.exceptions.DatabaseError", "ORA-01017: invalid credential or not authorized; logon denied"),
    Told(
        "data_access", "oracledb.exceptions.OperationalError",
        "DPY-6005: cannot connect to database. Connection failed with [Errno 111] Connection refused",
    ),
    Told(
        "transient", "oracledb.exceptions.DatabaseError",
        "ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired",
    ),
    Told("dirty_rows", "oracledb.exceptions.IntegrityError", "ORA-00001: unique constraint (SALES.ORDERS_PK) violated"),
    Told(
        "schema_change", "snowflake.connector.errors.ProgrammingError",
        "002003 (42S02): 01b2c3: SQL compilation error:\nObject 'SALES.ORDERS' does not exist or not "
        "authorized.",
    ),
    Told(
        "data_access", "snowflake.connector.errors.DatabaseError",
        "250001 (08001): None: Failed to connect to DB: acme.snowflakecomputing.com:443. Incorrect username "
        "or password was specified.",
    ),
    Told(
        "code_bug", "snowflake.connector.errors.ProgrammingError",
        "001003 (42000): SQL compilation error:\nsyntax error line 1 at position 9 unexpected 'form'.",
    ),
    Told(
        "data_access", "pymongo.errors.ServerSelectionTimeoutError",
        "db:27017: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms), "
        "Timeout: 30s",
    ),
    Told(
        "dirty_rows", "pymongo.errors.DuplicateKeyError",
        "E11000 duplicate key error collection: sales.orders index: _id_ dup key: { _id: 17 }",
    ),
    Told("transient", "redis.exceptions.BusyLoadingError", "Redis is loading the dataset in memory"),
    Told("data_access", "redis.exceptions.ConnectionError", "Error 111 connecting to cache:6379. Connection refused."),
    Told("transient", "redis.exceptions.TimeoutError", "Timeout reading from cache:6379"),
    Told("data_access", "kafka.errors.NoBrokersAvailable", "NoBrokersAvailable"),
    # AWS
    Told("data_access", "botocore.errorfactory.NoSuchKey", _S3.format("NoSuchKey", "GetObject", "The specified key does not exist.")),
    Told(
        "data_access", "botocore.errorfactory.NoSuchBucket",
        _S3.format("NoSuchBucket", "ListObjectsV2", "The specified bucket does not exist"),
    ),
    Told("data_access", "botocore.exceptions.ClientError", _S3.format("AccessDenied", "GetObject", "Access Denied")),
    Told("data_access", "botocore.exceptions.ClientError", _S3.format("ExpiredToken", "GetObject", "The provided token has expired.")),
    Told(
        "data_access", "botocore.exceptions.ClientError",
        _S3.format("InvalidAccessKeyId", "GetObject", "The AWS Access Key Id you provided does not exist in our records."),
    ),
    Told("data_access", "botocore.exceptions.ClientError", _S3.format("404", "HeadObject", "Not Found")),
    Told(
        "data_access", "botocore.exceptions.ClientError",
        _S3.format("SignatureDoesNotMatch", "GetObject", "The request signature we calculated does not match the signature you provided."),
    ),
    Told("transient", "botocore.exceptions.ClientError", _S3.format("SlowDown", "PutObject", "Please reduce your request rate.")),
    Told("transient", "botocore.exceptions.ClientError", _S3.format("ThrottlingException", "StartQueryExecution", "Rate exceeded")),
    Told(
        "transient", "botocore.exceptions.ClientError",
        _S3.format("ServiceUnavailable", "GetObject", "Service is unable to handle request."),
    ),
    Told("transient", "botocore.exceptions.ClientError", _S3.format("503", "HeadObject", "Service Unavailable")),
    Told(
        "transient", "botocore.exceptions.ReadTimeoutError",
        'Read timeout on endpoint URL: "https://s3.amazonaws.com/landing/orders.csv"',
    ),
    Told(
        "transient", "botocore.exceptions.ConnectionClosedError",
        "Connection was closed before we received a valid response from endpoint URL: "
        '"https://s3.amazonaws.com/landing".',
    ),
    Told(
        "data_access", "botocore.exceptions.EndpointConnectionError",
        'Could not connect to the endpoint URL: "https://s3.eu-moon-1.amazonaws.com/landing"',
    ),
    Told("environment", "botocore.exceptions.NoCredentialsError", "Unable to locate credentials"),
    Told("environment", "botocore.exceptions.ProfileNotFound", "The config profile (etl) could not be found"),
    Told("environment", "botocore.exceptions.NoRegionError", "You must specify a region."),
    Told(
        "code_bug", "botocore.exceptions.ParamValidationError",
        'Parameter validation failed:\nMissing required parameter in input: "Key"',
    ),
    Told(
        "code_bug", "botocore.exceptions.ClientError",
        _S3.format("ValidationException", "PutItem", "One or more parameter values were invalid"),
    ),
    # Azure
    Told(
        "data_access", "azure.core.exceptions.ResourceNotFoundError",
        "The specified blob does not exist.\nRequestId:8b8\nTime:2026-11-21T03:12:27Z\nErrorCode:BlobNotFound",
    ),
    Told(
        "data_access", "azure.core.exceptions.ClientAuthenticationError",
        "Server failed to authenticate the request.\nErrorCode:AuthenticationFailed",
    ),
    Told(
        "data_access", "azure.core.exceptions.HttpResponseError",
        "This request is not authorized to perform this operation using this "
        "permission.\nErrorCode:AuthorizationPermissionMismatch",
    ),
    Told("transient", "azure.core.exceptions.HttpResponseError", "The server is busy.\nRequestId:8b8\nErrorCode:ServerBusy"),
    Told(
        "transient", "azure.core.exceptions.HttpResponseError",
        "Operation returned an invalid status 'Too Many Requests'\nErrorCode:TooManyRequests",
    ),
    Told(
        "transient", "azure.core.exceptions.ServiceResponseError",
        "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
    ),
    Told(
        "data_access", "azure.core.exceptions.ServiceRequestError",
        "<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to resolve 'acme.blob.core.windows.net' "
        "([Errno -2] Name or service not known)",
    ),
    # Google
    Told("data_access", "google.api_core.exceptions.NotFound", f"404 GET {_GCS}: No such object: landing/orders.csv"),
    Told(
        "data_access", "google.api_core.exceptions.Forbidden",
        f"403 GET {_GCS}: etl@acme.iam.gserviceaccount.com does not have storage.objects.get access",
    ),
    Told("transient", "google.api_core.exceptions.TooManyRequests", f"429 GET {_GCS}: The project exceeded the rate limit"),
    Told(
        "transient", "google.api_core.exceptions.ServiceUnavailable",
        "503 POST https://bigquery.googleapis.com/bigquery/v2/projects/acme/jobs: Visibility check was "
        "unavailable.",
    ),
    Told("schema_change", "google.api_core.exceptions.NotFound", "404 Not found: Table acme:sales.orders was not found in location EU"),
    Told("schema_change", "google.api_core.exceptions.BadRequest", "400 Unrecognized name: amount at [1:8]"),
    Told(
        "code_bug", "google.api_core.exceptions.BadRequest",
        '400 Syntax error: Expected end of input but got identifier "form" at [1:10]',
    ),
    Told(
        "environment", "google.auth.exceptions.DefaultCredentialsError",
        "Your default credentials were not found. To set up Application Default Credentials, see "
        "https://cloud.google.com/docs",
    ),
    Told(
        "data_access", "google.auth.exceptions.RefreshError",
        "('invalid_grant: Token has been expired or revoked.', {'error': 'invalid_grant'})",
    ),
    # Memory and graphics cards
    Told(
        "resource", "torch.OutOfMemoryError",
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB", native=True,
    ),
    Told(
        "resource", "RuntimeError",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call", native=True,
    ),
    Told(
        "resource", "RuntimeError",
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 80000000000 bytes. Error code 12 (Cannot allocate memory)", native=True,
    ),
    Told("resource", "lightgbm.basic.LightGBMError", "bad allocation"),
    Told("resource", "xgboost.core.XGBoostError", "[03:12:27] common.h:107: std::bad_alloc"),
    Told("resource", "MemoryError", "std::bad_alloc", native=True),
    Told("resource", "pandas.errors.ParserError", "Error tokenizing data. C error: out of memory"),
    Told(
        "resource", "tensorflow.python.framework.errors_impl.ResourceExhaustedError",
        "OOM when allocating tensor with shape[4096,4096] and type float on /job:localhost",
    ),
    Told("resource", "subprocess.OSError", "[Errno 12] Cannot allocate memory"),
    Told("resource", "OSError", "[Errno 24] Too many open files: 'part_17.csv'", native=True),
    Told("environment", "OSError", "[Errno 30] Read-only file system: '/srv/published/report.html'", native=True),
    Told(
        "kernel_death", "concurrent.futures.process.BrokenProcessPool",
        "A process in the process pool was terminated abruptly while the future was running or pending.",
    ),
    Told("kernel_death", "RuntimeError", "DataLoader worker (pid 4711) is killed by signal: Segmentation fault. "),
    Told(
        "kernel_death", "distributed.scheduler.KilledWorker",
        "Attempted to run task 'load-17' on 4 different workers, but all those workers died while running it.",
    ),
    # What a library needs
    Told(
        "environment", "OSError",
        "[E050] Can't find model 'en_core_web_sm'. It doesn't seem to be a Python package or a valid path to "
        "a data directory.",
    ),
    Told(
        "environment", "LookupError",
        "\n" + "*" * 70 + "\n  Resource punkt not found.\n  Please use the NLTK Downloader to obtain the resource:",
    ),
    Told(
        "environment", "pydantic_core._pydantic_core.ValidationError",
        "1 validation error for Settings\nwarehouse_url\n  Field required [type=missing, input_value={}, "
        "input_type=dict]", native=True,
    ),
    Told("environment", "RuntimeError", "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
]  # fmt: skip
