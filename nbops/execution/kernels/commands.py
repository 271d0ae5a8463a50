"""What starts a kernel. Most are found where Jupyter says that they lie, without importing what talks to kernels."""

from __future__ import annotations

import json
from pathlib import Path

from jupyter_core.paths import jupyter_path


def command(kernel: str) -> list[str] | None:
    """The command of an installed kernel; None where there is none of that name."""
    for folder in jupyter_path("kernels") if kernel == Path(kernel).name else ():
        try:
            told = json.loads(Path(folder, kernel, "kernel.json").read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            break
        if isinstance(told, dict) and isinstance(told.get("argv"), list):
            return [str(word) for word in told["argv"]]
        break
    return _looked_up(kernel)


def _looked_up(kernel: str) -> list[str] | None:
    """As jupyter_client does: in other spellings, of IPython's old folder, and the kernel of this environment without a file."""
    from jupyter_client.kernelspec import NoSuchKernel

    from nbops.execution.kernels.specs import Specs

    try:
        found: list[str] = Specs().get_kernel_spec(kernel).argv
    except NoSuchKernel:
        return None
    return found
