"""`nbops score` and `nbops labels import`: what a model says of a file's rows, and what turned out to be true."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli._base import Here, cli, here, json_option, show
from nbops.cli._reviews import trust_option, trusted
from nbops.errors import NotFound, UsageError
from nbops.predictions.segments import Logged
from nbops.records import short
from nbops.render import values

id_option = click.option(
    "--id", "ids", multiple=True, metavar="COLUMN", help="What names a row; may be repeated, then all together do."
)


@cli.command("score")
@click.argument("reference", metavar="NAME[/VERSION]|NAME@ALIAS")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the rows go, with what the model says: Parquet or CSV.",
)
@id_option
@click.option("--time", metavar="COLUMN", help="The moment that a row is about; without a zone it is UTC.")
@click.option("--no-log", is_flag=True, help="Do not keep in the store what the model says.")
@click.option(
    "--feature", "features", multiple=True, metavar="COLUMN", help="Log this column only, beside what is said."
)
@trust_option
@json_option
@here
def score(
    obj: Here,
    reference: str,
    file: Path,
    out: Path | None,
    ids: tuple[str, ...],
    time: str | None,
    no_log: bool,
    features: tuple[str, ...],
    trust: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write what a model says of the rows of FILE, Parquet or CSV, beside them, and keep it in the store.

    FILE is read batch by batch. What is written is there whole or not at all; the same file scored twice is logged once.
    """
    from nbops.render.progress import told
    from nbops.workspace import _predictions

    if no_log and out is None:
        raise UsageError(
            "There is nothing to do: it is neither written nor logged.", hint="Say --out FILE, or leave --no-log out."
        )
    if not no_log and (not ids or not time):
        raise UsageError(
            "What is logged needs the columns that name a row and say what moment it is about.",
            hint="Say --id COLUMN --time COLUMN, or --no-log.",
        )
    if not file.is_file():
        raise NotFound(f"There is no file {str(file)!r}.", hint=f"The current folder is {Path.cwd()}.")
    workspace = obj.workspace()
    version = workspace.version(reference).record
    columns = None if no_log or not time else _predictions.Columns(ids, time, features=features or True)
    with told("scoring") as progress:
        found = _predictions.score(
            workspace.store, version, file, out, columns, ids=ids, trust=trusted(trust), progress=progress
        )
    document = {"version": found.version, "rows": found.rows, "out": out and str(out), **_logged(found.logged)}
    done = [f"{found.version} scored {values.counted(found.rows, 'row')}"]
    done += [f"wrote {out}"] if out else []
    done += [_sentence(found.logged)] if found.logged else []
    show(document, as_json=as_json, text=lambda: f"{', '.join(done)}.")


@cli.group("labels")
def labels_group() -> None:
    """Tell what turned out to be true of what models predicted."""


@labels_group.command("import")
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@id_option
@click.option(
    "--label",
    required=True,
    metavar="COLUMN",
    help="What turned out to be true; where it is empty, a label is taken back.",
)
@click.option("--observed", metavar="COLUMN", help="When it became known (default: now); without a zone it is UTC.")
@json_option
@here
def import_labels(
    obj: Here, model: str, file: Path, ids: tuple[str, ...], label: str, observed: str | None, as_json: bool
) -> None:
    """Keep what FILE, Parquet or CSV, says of rows that MODEL predicts: of an id's labels the one observed last counts."""
    if not ids:
        raise UsageError(
            "Labels need the columns that name a row.", hint="Say --id COLUMN, as when the rows were scored."
        )
    if not file.is_file():
        raise NotFound(f"There is no file {str(file)!r}.", hint=f"The current folder is {Path.cwd()}.")
    found = obj.workspace().log_labels(model, file, id=ids, label=label, observed=observed)
    document = {"model": model, "rows": found.rows, **_logged(found)}
    show(
        document, as_json=as_json, text=lambda: f"{values.counted(found.rows, 'label')} of {model}: {_sentence(found)}."
    )


def _logged(logged: Logged | None) -> dict[str, object]:
    return {"segment": logged and logged.segment, "new": logged and logged.new}


def _sentence(logged: Logged) -> str:
    if logged.segment is None:
        return "nothing to log"
    if logged.new is None:
        return "logged as soon as the store can be reached"
    return (
        f"logged as segment {short(logged.segment)}"
        if logged.new
        else f"logged before as segment {short(logged.segment)}"
    )
