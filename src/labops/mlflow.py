"""MLflow: what a run was trained on, recorded so that it can be had again.

    import mlflow, labops, labops.mlflow

    cats = labops.require("dog_and_cat@v3")
    mlflow.log_input(labops.mlflow.from_dataset(cats), context="training")
    …
    mlflow.data.get_source(run.inputs.dataset_inputs[0]).load()      # a folder with just those bytes

Importing this needs `pip install 'labops[mlflow]'`. MLflow finds it by itself, and then takes
`lab://dog_and_cat@v3` wherever it takes a source.
"""

from __future__ import annotations

import json
from typing import Any, Self

from mlflow.data.dataset import Dataset as MlflowDataset
from mlflow.data.dataset_source import DatasetSource

from labops.datasets import Dataset
from labops.errors import Conflict

_SCHEME = "lab://"


class LabDatasetSource(DatasetSource):  # type: ignore[misc] # mlflow has no types for us
    """Where a dataset came from: repository, path, version, commit and oid; source type `lab`.

    `repo` is the address that others can clone where there is one, without a password; else a path on the machine
    that recorded it.
    """

    def __init__(self, repo: str, path: str, version: str | None, commit: str | None, oid: str) -> None:
        self.repo, self.path, self.version = repo, path, version
        self.commit, self.oid = commit, oid

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The source that leads back to `dataset`."""
        return cls(dataset.address, dataset.name, dataset.version, dataset.commit, dataset.oid)

    @staticmethod
    def _get_source_type() -> str:
        return "lab"

    @property
    def uri(self) -> str:
        """`lab://dog_and_cat@v3`, for people."""
        return f"{_SCHEME}{self.path}@{self.version}" if self.version else f"{_SCHEME}{self.path}"

    def dataset(self) -> Dataset:
        """The very version that was recorded; raises `Conflict` (`other-content`) when its commit holds another now."""
        found = Dataset(self.path, self.repo, self.commit)
        if found.oid != self.oid:
            raise Conflict(
                f"'{self.path}' of '{self.repo}' had the content {self.oid} when it was recorded, and {found.oid} now",
                code="other-content",
                hint="it was recorded before it was committed; look for the content: lab log",
                path=self.path,
            )
        return found

    def load(self, **_: Any) -> str:
        """A path on this machine that holds exactly what was recorded; fetched where it is not here."""
        return self.dataset().path()

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, Dataset) or (isinstance(raw_source, str) and raw_source.startswith(_SCHEME))

    @classmethod
    def _resolve(cls, raw_source: Any) -> Self:
        if isinstance(raw_source, Dataset):
            return cls.of(raw_source)
        return cls.of(Dataset(str(raw_source).removeprefix(_SCHEME)))

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "uri": self.uri,
            "repo": self.repo,
            "path": self.path,
            "version": self.version,
            "commit": self.commit,
            "oid": self.oid,
        }

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> Self:
        """The source that `to_dict` described."""
        return cls(*(source_dict[name] for name in ("repo", "path", "version", "commit", "oid")))


class LabDataset(MlflowDataset):  # type: ignore[misc] # mlflow has no types for us
    """A dataset as `mlflow.log_input` takes it: named `dog_and_cat@v3`, with its oid as the digest."""

    def __init__(self, dataset: Dataset) -> None:
        output = dataset.output
        self._profile = {"files": output.nfiles or 1, "bytes": output.size}
        super().__init__(LabDatasetSource.of(dataset), dataset.reference, dataset.oid.removesuffix(".dir"))

    def _compute_digest(self) -> str:
        return str(self.source.oid.removesuffix(".dir"))

    def to_dict(self) -> dict[str, str]:
        """Name, digest, source and how large it is, as MLflow stores them."""
        return {**super().to_dict(), "profile": json.dumps(self._profile)}

    @property
    def profile(self) -> dict[str, int | None]:
        """The number of files and bytes."""
        return self._profile

    @property
    def schema(self) -> None:
        """None: files have no columns."""
        return


def from_dataset(dataset: Dataset) -> LabDataset:
    """`dataset` as `mlflow.log_input` takes it."""
    return LabDataset(dataset)
