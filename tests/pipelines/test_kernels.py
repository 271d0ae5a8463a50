"""The kernels of a pipeline are forked, whatever the settings say of other executions."""

from __future__ import annotations

from tests.pipelines.parts import Pipeline


def test_every_kernel_of_a_pipeline_is_forked_from_its_server(pipeline: Pipeline) -> None:
    tell = "open('kernels', 'a').write(open('/proc/self/cmdline').read().replace(chr(0), ' ') + chr(10))"
    told = pipeline.makes("a", tell).makes("b", tell).makes("c", tell, reads="a b").run()
    assert told["outcome"] == "done"
    kernels = (pipeline.folder / "kernels").read_text().splitlines()
    assert ["nbops.execution.kernels.server" in line for line in kernels] == [True] * 3
