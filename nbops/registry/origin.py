"""What a logged model remembers of where it comes from: written into its manifest, so that whatever seals or signs the model covers it."""

from __future__ import annotations

from nbops.records import Record


class Library(Record):
    """A library that computes with several threads, BLAS or OpenMP, as it was loaded: `api` is blas or openmp."""

    api: str
    name: str
    version: str | None
    architecture: str | None
    threads: int


class Origin(Record):
    """Of the process that logged the model: its environment, code and data. None and () where it could not tell.

    `environment` (see `provenance.environment`), `profile` (of the reference data), `variation` (how much its days differ) and `example`
    are the SHA-256 of blobs;
    `reference` is the digest of the reference data, as a run's inputs have it. `source` is the notebook or script, relative to the
    project, and `source_sha256` that of its file as it lay on disk.
    """

    platform: str
    libraries: tuple[Library, ...] = ()
    environment: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    source: str | None = None
    source_sha256: str | None = None
    reference: str | None = None
    profile: str | None = None
    example: str | None = None
    variation: str | None = None

    @property
    def blobs(self) -> dict[str, str]:
        """What the store keeps of it, by what it is."""
        named = {
            "environment": self.environment, "reference profile": self.profile, "variation of the reference": self.variation,
            "input example": self.example,
        }  # fmt: skip
        return {what: sha256 for what, sha256 in named.items() if sha256 is not None}
