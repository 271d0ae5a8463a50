"""What nbops itself raises: by its store, its registry, its contracts and its declared sources."""

from __future__ import annotations

from nbops.errors import EXITS
from nbops.failures.known.words import NBOPS
from nbops.failures.rule import Rule

OURS = (
    Rule(
        "contract.violated", "dirty_rows", "The data breaks its contract.", ename=("ContractViolation",), exit_status=21
    ),
    Rule(
        "store.unfit", "environment", "The project's store is damaged, read-only or of another version.",
        ename=("StoreReadOnly", "StoreCorrupt", "StoreVersion"), evalue=NBOPS, exit_status=EXITS["store"].status,
    ),
    Rule(
        "store.unavailable", "transient", "The project's store could not be reached at the moment.",
        ename=("StoreUnavailable", "StoreHeld"), evalue=NBOPS, exit_status=EXITS["store.unavailable"].status,
    ),
    Rule(
        "store.full", "resource", "The disk of the project's store is full.",
        ename=("StoreFull",), evalue=NBOPS, exit_status=EXITS["store.full"].status,
    ),
    Rule(
        "store.failed", "environment", "The project's store failed.",
        ename=("StoreError",), evalue=NBOPS, exit_status=EXITS["store"].status,
    ),
    Rule(
        "model.trust", "environment", "Loading the model would run something that nobody vouched for.",
        ename=("TrustRefused",), evalue=NBOPS, exit_status=EXITS["model.trust"].status,
    ),
    Rule(
        "model.unfit", "environment", "A model cannot be saved or loaded in this environment.",
        ename=("ModelError",), evalue=NBOPS,
    ),
    Rule(
        "nbops.usage", "code_bug", "nbops is called in a way that it refuses.", evalue=NBOPS,
        ename=("UsageError", "ConfigError", "FilterError", "ParameterError", "PathRefused", "Ambiguous", "Conflict", "QueryError"),
    ),
    Rule(
        "nbops.missing", "data_access", "The project has no run, model or file of that name.",
        ename=("NotFound",), evalue=NBOPS,
    ),
)  # fmt: skip

# What a declared source says of itself; docs/data.md is where its sentences come from.
FETCHED = (
    Rule(
        "fetch.full", "resource", "The disk is full: data could not be fetched.",
        ename=("SourceError",), evalue=rf"^The disk of .+ is full\.{NBOPS}",
    ),
    Rule(
        "fetch.lacks", "environment", "A package, variable, module or folder is missing that a source needs.", ename=("SourceError",),
        evalue=r"needs? (the driver|fsspec|a package)\b.*\nHint: |environment variable \w+, which is not set\.\nHint: "
               r"|^The (module|folder) .+ cannot be (imported|made): .*\nHint: ",
    ),
    Rule(
        "fetch.changed", "schema_change", "A source came in another shape: a column, table or sheet is missing, or of another type.",
        ename=("SourceError",),
        evalue=r"^'.+' was .+ until now, and is .*\nHint: |There is no table '.*\nHint: | has no sheet .*\nHint: "
               r"|no such (column|table): .*\nHint: |(column|relation) .+ does not exist.*\nHint: ",
    ),
    Rule(
        "fetch.rows", "dirty_rows", "Lines of a source cannot be read.", ename=("SourceError",),
        evalue=r"^More than [\d,]+ lines cannot be read\.\nHint: |^Line \d+ of .+ (is longer than|ends with \S+, and) .*\nHint: "
               r"|is none of its characters\.\nHint: ",
    ),
    Rule(
        "fetch.late", "timeout", "A source took longer than its declaration lets it.", ename=("SourceError",),
        evalue=r"was (not there|stopped) after \S+ seconds(, after \d+ attempts?)?\.\nHint: ",
    ),
    Rule(
        "fetch.unreachable", "data_access", "A source cannot be reached: its name is unknown, or nobody answers there.",
        ename=("SourceError",),
        evalue=r"(nobody answers there|its name is unknown|(ConnectionRefusedError|gaierror)\)), after \d+ attempts?\.\nHint: ",
    ),
    Rule(
        "fetch.busy", "transient", "A source was busy, changed, or broke off, and did so each time it was tried.",
        ename=("SourceError",),
        evalue=r", after \d+ attempts?\.\nHint: |was changed while it was read\.\nHint: |is being fetched into .*\nHint: ",
    ),
    Rule(
        "fetch.failed", "data_access", "Data cannot be had from its source, or is not what was asked for.",
        ename=("SourceError",), evalue=NBOPS,
    ),
)  # fmt: skip
