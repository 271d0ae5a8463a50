"""How an executed notebook may try to approve: each way is a cell, which leaves the owner's answer in a file named like it.

What is asked for, the bytes of an envelope, lies in a file too: what asks knows nothing of nbops, and says what it likes.
"""

from __future__ import annotations

ASK = '''
import http.client, os, socket, sys, time

def connected(project):
    """The owner's socket, by its folder's descriptor: the name may be too long for an address."""
    sock = socket.socket(socket.AF_UNIX)
    folder = os.open(os.path.join(project, ".nbops", "run"), os.O_RDONLY)
    sock.connect(f"/proc/self/fd/{folder}/owner.sock")
    return sock

def ask(project, name, sock=None, **headers):
    connection = http.client.HTTPConnection("nbops")
    connection.sock = sock or connected(project)
    headers = {"content-type": "application/msgpack", "x-forwarded-for": "uid:0", "nbops-declared": "", **headers}
    connection.request("POST", "/v1/write", open(name + ".envelope", "rb").read(), headers)
    with open(name + ".new", "wb") as file:
        file.write(connection.getresponse().read())
    os.rename(name + ".new", name + ".answer")

def gone(pids):
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        time.sleep(0.01)

def handed(project, name):
    """Who connected has ended when the other one asks."""
    sock, first = connected(project), os.getpid()
    if os.fork():
        os._exit(0)
    gone([first])
    ask(project, name, sock)

def daemon(project, name, *pids):
    """Of no parent, session, group and environment of the notebook's; asks when its kernel and runner are over."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    gone(pids)
    ask(project, name)

if __name__ == "__main__":
    {"ask": ask, "handed": handed, "daemon": daemon}[sys.argv[1]](*sys.argv[2:])
'''
"""A script that asks the owner by hand: HOW PROJECT NAME."""

SETUP = """
import os, resource, subprocess, sys
sys.path.insert(0, FOLDER)
import asking
def name(way):
    return f"{FOLDER}/{way}"
def words(way, how="ask", *more):
    return [sys.executable, name("asking.py"), how, PROJECT, name(way), *map(str, more)]
"""
"""The first cell, once FOLDER and PROJECT are known."""

WAYS = {
    "cell": "asking.ask(PROJECT, name('cell'))",
    "system": "os.system('unset NBOPS_RUN NBOPS_HEADLESS; exec ' + ' '.join(words('system')))",
    "bare": "subprocess.run(words('bare'), env={}, check=True)",
    "session": "subprocess.run(words('session'), env={}, check=True, start_new_session=True)",
    "forged": "subprocess.run(words('forged'), env={'NBOPS_RUN': '', 'USER': 'boss', 'LOGNAME': 'boss'}, check=True)",
    "fork": """
if os.fork() == 0:
    try:
        asking.ask(PROJECT, name("fork"))
    finally:
        os._exit(0)
os.wait()""",
    "raised": """
if os.fork() == 0:
    for limit in range(16):
        try:
            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (ValueError, OSError):
            pass
    os.execv(sys.executable, words("raised"))
os.wait()""",
    "lowered": """
if os.fork() == 0:
    resource.setrlimit(10, (0, 0))
    os.execv(sys.executable, words("lowered"))
os.wait()""",
    "handed": "subprocess.run(words('handed', 'handed'), env={}, check=True)",
    "daemon": """
runner = os.environ["NBOPS_RUN"].partition("@")[2]
null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
subprocess.run(words("daemon", "daemon", os.getpid(), runner), env={}, check=True, **null)""",
    "library": """
import nbops, msgspec
from nbops.promotion.requests import Act
from nbops.store.wire import Envelope, Reply, encode
made = msgspec.msgpack.decode(open(name("library.envelope"), "rb").read(), type=Envelope)
acts = [msgspec.msgpack.decode(raw, type=Act) for raw in made.commands]
results = nbops.open().store.write(*acts)
open(name("library.answer"), "wb").write(encode(Reply(results=results)))""",
    "tcp": """
BY_TCP = '''
import json, os, socket, sys
sys.path.insert(0, os.path.dirname(sys.argv[2]))
import asking, nbops
store = nbops.open(sys.argv[1]).store
store.hello()
page = json.load(open(os.path.join(sys.argv[1], ".nbops", "run", "owner.json")))
sock = socket.create_connection(("127.0.0.1", page["port"]))
asking.ask(sys.argv[1], sys.argv[2], sock, authorization="Bearer " + page["token"])
store.stop_owner()
'''
nbops.open().store.stop_owner()
environ = {**os.environ, "NBOPS_TRANSPORT": "tcp", "NBOPS_RUN": ""}
subprocess.run([sys.executable, "-c", BY_TCP, PROJECT, name("tcp")], env=environ, check=True)""",
    "owner": """
# The owner that is asked is one of the notebook's own making.
nbops.open().store.stop_owner()
nbops.open().store.hello()
subprocess.run(words("owner"), env={}, check=True)""",
    "spool": """
from nbops.store.spool import Spool
from nbops.records import new_id
store = nbops.open().store
spool = Spool(store.places, store="", writer=new_id(), host=store.host)
spool.append(msgspec.msgpack.decode(open(name("spool.envelope"), "rb").read(), type=Envelope))
spool.seal()
store.control("fold")""",
}
"""The cells, by the name of the file in which they find what to ask for."""
