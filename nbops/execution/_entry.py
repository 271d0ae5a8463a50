"""What papermill loads for `engine_name="nbops"`. Papermill imports every engine there is, so this module imports nothing."""

from __future__ import annotations


class Engine:
    """A papermill engine that tells what happened, loses nothing and keeps the execution as a run."""

    @classmethod
    def execute_notebook(cls, nb: object, kernel_name: str, **options: object) -> object:
        """Execute a notebook that papermill has parameterized; gives the notebook with its outputs."""
        from nbops.execution.engine import execute

        return execute(nb, kernel_name, **options)  # type: ignore[arg-type]  # what papermill passes on is its own affair

    @classmethod
    def nb_kernel_name(cls, nb: object, name: str | None = None) -> object:
        """The kernel that the notebook names, or `name`."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: object, language: str | None = None) -> object:
        """The language that the notebook names, or `language`."""
        from papermill.utils import nb_language

        return nb_language(nb, language)
