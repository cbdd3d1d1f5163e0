"""MLflow: the source of a dataset is recorded with a run, and leads back to the very bytes.

The real mlflow runs in a Python of its own, where it is installed beside labops (`LABOPS_MLFLOW_PYTHON`; it brings
some forty packages). Without one the same is played with a stand-in that has only mlflow's interface.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import labops
from labops.errors import Conflict
from tests.api.conftest import VERSIONS, Registry

SOURCE = Path(__file__).parents[2] / "src"

REAL = """
    import os, sys
    import mlflow, labops, labops.mlflow

    mlflow.set_tracking_uri("file://" + os.path.join(sys.argv[1], "runs"))
    mlflow.set_experiment("cats")
    cats = labops.require("cats@v3")
    old = labops.Dataset("cats", version="v1")
    with mlflow.start_run() as run:
        mlflow.log_input(labops.mlflow.from_dataset(cats), context="training")
        mlflow.log_input(labops.mlflow.from_dataset(old), context="testing")
    inputs = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    for one in sorted(inputs, key=lambda one: one.dataset.name):
        source = mlflow.data.get_source(one)
        assert type(source).__name__ == "LabDatasetSource", source
        print(one.dataset.name, one.dataset.digest, one.dataset.source_type, sorted(os.listdir(source.load())))
    resolved = mlflow.data.dataset_source_registry.resolve_dataset_source("lab://cats@v2")
    print(resolved.uri, resolved.version)
"""


def test_the_real_mlflow_records_and_finds_again(registry: Registry, tmp_path: Path) -> None:
    python = os.environ.get("LABOPS_MLFLOW_PYTHON")
    if not python:
        pytest.skip("no mlflow: LABOPS_MLFLOW_PYTHON may name a python with mlflow-skinny and labops")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", textwrap.dedent(REAL), str(tmp_path)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "MLFLOW_ALLOW_FILE_STORE": "true"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    v1, v3 = (labops.Dataset("cats", version=text).oid.removesuffix(".dir") for text in ("v1", "v3"))
    assert done.stdout.splitlines() == [
        f"cats@v1 {v1} lab ['1.txt', '2.txt', 'sub']",
        f"cats@v3 {v3} lab ['1.txt', '2.txt', '3.txt']",
        "lab://cats@v2 v2",
    ]


@pytest.fixture
def lab_mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`labops.mlflow` over a stand-in for mlflow."""

    class DatasetSource:
        def to_json(self) -> str:
            return json.dumps(self.to_dict())  # type: ignore[attr-defined]

        @classmethod
        def from_json(cls, text: str) -> Any:
            return cls.from_dict(json.loads(text))  # type: ignore[attr-defined]

    class Dataset:
        def __init__(self, source: object, name: str, digest: str) -> None:
            self.source, self.name, self.digest = source, name, digest

        def to_dict(self) -> dict[str, str]:
            return {"name": self.name, "digest": self.digest}

    for name, contents in {
        "mlflow": {},
        "mlflow.data": {},
        "mlflow.data.dataset_source": {"DatasetSource": DatasetSource},
        "mlflow.data.dataset": {"Dataset": Dataset},
    }.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "labops.mlflow", raising=False)
    yield importlib.import_module("labops.mlflow")
    sys.modules.pop("labops.mlflow", None)


def test_a_source_leads_back(registry: Registry, lab_mlflow: ModuleType) -> None:
    cats = labops.Dataset("cats", registry.url, "v1")

    logged = lab_mlflow.from_dataset(cats)
    told = logged.source.to_json()

    assert (logged.name, len(logged.digest)) == ("cats@v1", 32)
    assert json.loads(logged.to_dict()["profile"]) == {"files": 3, "bytes": 13}
    assert json.loads(told) == {
        "uri": "lab://cats@v1",
        "repo": registry.url,
        "path": "cats",
        "version": "v1",
        "commit": registry.git("rev-parse", "HEAD~2", cwd=registry.root),
        "oid": cats.oid,
    }
    folder = Path(lab_mlflow.LabDatasetSource.from_json(told).load())
    assert {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*.txt")} == VERSIONS[0]


def test_the_address_is_one_that_others_can_clone(registry: Registry, lab_mlflow: ModuleType) -> None:
    registry.git("remote", "add", "origin", "https://ada:secret@git.lab.example/registry.git", cwd=registry.root)

    source = lab_mlflow.LabDatasetSource.of(labops.require("cats@v3"))

    assert source.repo == "https://git.lab.example/registry.git"
    assert "secret" not in source.to_json()
    assert source.commit == registry.git("rev-parse", "HEAD", cwd=registry.root)


def test_what_was_never_committed_is_not_mistaken(registry: Registry, lab_mlflow: ModuleType) -> None:
    from labops.project import Project
    from labops.verbs.add import add

    registry.write({"1.txt": "draft\n"})
    add(Project.find(), ["cats"])
    source = lab_mlflow.LabDatasetSource.of(labops.Dataset("cats"))
    registry.write({"1.txt": "final\n"})
    registry.save("fourth", "cats")

    with pytest.raises(Conflict) as caught:
        source.load()
    assert caught.value.code == "other-content"


def test_texts_and_datasets_are_resolved(registry: Registry, lab_mlflow: ModuleType) -> None:
    kind = lab_mlflow.LabDatasetSource

    assert kind._get_source_type() == "lab"
    assert kind._can_resolve("lab://cats@v2")
    assert kind._can_resolve(labops.Dataset("cats"))
    assert not any(map(kind._can_resolve, ("s3://bucket/cats", "cats", 3, SimpleNamespace())))
    assert kind._resolve("lab://cats@v2").version == "v2"
    assert kind._resolve(labops.Dataset("cats@v1")).version == "v1"
