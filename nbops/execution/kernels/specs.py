"""The installed kernels, as jupyter_client finds them without importing IPython to ask where its old folder would be."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_core.paths import jupyter_path


class Specs(KernelSpecManager):
    """The import that it saves costs as much as everything else before a kernel starts."""

    def _kernel_dirs_default(self) -> list[str]:
        old = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser() / "kernels"
        folders: list[str] = super()._kernel_dirs_default() if old.exists() else jupyter_path("kernels")
        return folders


def absent(kernel: str) -> list[str] | None:
    """The kernels that there are, by name, where that one is none of them; None where it is."""
    specs = Specs()
    try:
        specs.get_kernel_spec(kernel)
    except NoSuchKernel:
        return sorted(specs.find_kernel_specs())
    return None
