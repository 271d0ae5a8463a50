"""From asking for a kernel to the result of its first cell: a fork server's beside jupyter_client's own, which papermill uses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, environment, median, times

# The cpu is that of all who take part: this process, the server, and the kernel until it has answered.
_PROGRAM = """
import asyncio, json, os, sys, time
from pathlib import Path
from jupyter_client.manager import AsyncKernelManager
from nbops.execution.kernels import servers
from nbops.execution.kernels.manager import Kernel

way, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def used(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9

async def start(server):
    before = used(server.status().pid) if server else 0.0
    cpu, wall = time.process_time(), time.perf_counter()
    manager = Kernel(kernel_name="python3", server=server) if server else AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel(env=dict(os.environ))
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(60)
    reply = await client._async_execute_interactive("x = 1\\nx + 1", store_history=False, output_hook=lambda message: None)
    assert reply["content"]["status"] == "ok", reply
    wall = time.perf_counter() - wall
    cpu = time.process_time() - cpu + used(manager.provisioner.pid) + (used(server.status().pid) - before if server else 0.0)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return {"cpu": cpu, "wall": wall}

async def main():
    server = None
    if way == "forked":
        folder.mkdir(mode=0o700, exist_ok=True)
        server = servers.server_for(folder, start=True, idle_minutes=0.2)
    await start(server)
    print(json.dumps([await start(server) for _ in range(count)]))
    if server:
        server.started = True
        server.close()

asyncio.run(main())
"""


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Several kernels of each kind one after the other, in turns; the first of each turn is not counted."""
    folder.mkdir(parents=True)
    report = Report(["kernel", "n", "cpu ms", "wall ms", "ordinary / cpu", "ordinary / wall"])
    found: dict[str, list[Figures]] = {"ordinary": [], "forked": []}
    for turn in range(size.of(1, 3, 5)):
        for way, kernels in found.items():
            command = [str(parties[0].python), "-c", _PROGRAM, way, str(folder / f"k{turn}"), str(size.of(3, 10, 20))]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), cwd=folder)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            kernels.extend(json.loads(done.stdout.splitlines()[-1]))
    middle = {
        way: {key: median([one[key] for one in kernels]) for key in ("cpu", "wall")} for way, kernels in found.items()
    }
    for way, own in middle.items():
        than = [times(middle["ordinary"][key] / own[key]) for key in ("cpu", "wall")]
        report.rows.append([way, len(found[way]), f"{1000 * own['cpu']:.1f}", f"{1000 * own['wall']:.1f}", *than])
    report.raw["kernels"] = found
    return report
