"""Outputs of pipelines (made by the real dvc) travel like any others; running pipelines is dvc's job."""

from __future__ import annotations

from labops.testing.oracle import Sandbox

YAML = """\
vars:
- suffix: txt
stages:
  plain:
    cmd: mkdir -p out && cp src out/a && cat src src > whole.${suffix}
    deps:
    - src
    outs:
    - out
    - whole.${suffix}:
        desc: the whole
    metrics:
    - m.json:
        cache: false
  each:
    foreach: [a, b]
    do:
      cmd: echo ${item} > each.${item}
      outs:
      - each.${item}
  kept:
    cmd: echo kept > kept
    outs:
    - kept:
        push: false
"""


def start(s: Sandbox) -> None:
    s.init(remote=True)
    s.write("src", "1\n")
    s.write(
        "dvc.yaml",
        YAML.replace("> whole.${suffix}", "> whole.${suffix} && echo '{}' > m.json"),
    )
    s.dvc("repro", "-q", "--no-run-cache")
    s.delete(".dvc/cache/runs")
    s.dvc("config", "core.autostage", "false")
    s.commit()


def test_outputs_travel(twins):
    def script(s: Sandbox) -> None:
        start(s)
        assert s.see("status", "--json") == {}
        s.see("data", "status", "--json", "--granular", "--unchanged")
        s.see("status", "-c", "--json")
        s.run("push")
        s.see("status", "-c", "--json")
        s.clone()
        clone = s.world / "clone"
        s.run("pull", "--allow-missing", cwd=clone, ok=None)
        s.see("status", "--json", cwd=clone)
        assert (clone / "out/a").read_text() == "1\n"
        assert (clone / "each.b").read_text() == "b\n"

    twins(script)


def test_stage_names_as_targets(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("push", "plain")
        s.run("push", "each@a")
        s.delete("out", "whole.txt", "each.a", ".dvc/cache")
        s.run("pull", "plain")
        assert (s.repo / "whole.txt").read_text() == "1\n1\n"
        s.run("pull", "each@a")
        assert (s.repo / "each.a").read_text() == "a\n"
        s.see("status", "--json", "plain")
        s.see("status", "--json", "dvc.yaml:plain")
        s.see("status", "--json", "dvc.yaml")
        s.see("status", "--json", "whole.txt")
        s.run("checkout", "whole.txt")

    twins(script)


def test_changes_are_reported(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.write("whole.txt", "other\n")
        s.delete("out/a")
        s.see("status", "--json")
        s.write("src", "2\n")
        s.see("status", "--json")
        s.see("data", "status", "--json", "--granular")

    twins(script)


READERS = """\
stages:
  one:
    cmd: cp src o
    deps: [src, data]
    params: [lr, sub/p.yaml: [a.b, c], p.json: , p.toml: [t.u]]
    outs: [o]
  callback:
    cmd: echo hi
  silent:
    cmd: cat src
    deps: [src]
  always:
    cmd: echo 1 > always
    always_changed: true
    outs: [always]
  ice:
    cmd: cp src ice
    deps: [src]
    outs: [ice]
    frozen: true
  each:
    foreach: [a, b]
    do:
      cmd: echo ${item} > ${item}
      deps: [data/x]
      outs: ["${item}"]
"""


def test_dependencies_are_reported(twins):
    """Files, folders and parameters that stages read; stages without outputs, frozen and restless ones."""

    def script(s: Sandbox) -> None:
        s.init()
        s.write("src", "1\n")
        s.files("data", {"x": "1\n", "deep/y": "2\n"})
        s.write("params.yaml", "lr: 1\nother: 2\n")
        s.write("sub/p.yaml", "a: {b: 2}\nc: [1, 2]\n")
        s.write("p.json", '{"x": 1}')
        s.write("p.toml", "[t]\nu = 1\n")
        s.write("dvc.yaml", READERS)
        s.see("status", "--json")
        s.dvc("repro", "-q", "-k", "--no-run-cache", ok=None)  # the frozen stage has nothing to show
        s.delete(".dvc/cache/runs")
        s.see("status", "--json")
        s.write("src", "2\n")
        s.write("data/deep/z", "3\n")
        s.write("params.yaml", "lr: 1\nother: 3\n")
        s.write("sub/p.yaml", "c: [1, 2, 3]\n")
        s.write("p.json", '{"x": 2, "y": 1}')
        s.delete("p.toml")
        s.write("dvc.yaml", READERS.replace("cp src o", "cp  src o"))
        s.see("status", "--json")
        s.see("status", "--json", cwd="sub")
        s.see("status", "--json", "silent")
        s.see("status", "--json", "o")
        s.delete("src", "data/x", "params.yaml")
        s.see("status", "--json")

    twins(script)


def test_commit_of_a_stage(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.write("each.a", "edited\n")
        s.run("commit", ok=False)
        s.run("commit", "-f", "each@a")
        s.see("status", "--json")
        s.write("whole.txt", "edited\n")  # one of three outputs: the lock keeps the others
        s.run("commit", "-f", "plain")
        s.write("out/b", "new\n")
        s.write("whole.txt", "once more\n")
        s.run("commit", "-f")
        assert s.see("status", "--json") == {}
        s.delete(".dvc/cache/runs")  # runs are dvc's to remember

    twins(script)


def test_pipeline_in_a_subfolder(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("p/src", "1\n")
        s.write("p/dvc.yaml", "stages:\n  go:\n    cmd: cp src o\n    deps: [src]\n    outs: [o]\n")
        s.dvc("repro", "-q", "--no-run-cache", cwd="p")
        s.delete(".dvc/cache/runs")
        s.run("push")
        s.delete("p/o", ".dvc/cache")
        s.run("pull")
        s.see("status", "--json")
        s.see("status", "--json", cwd="p")

    twins(script)


def test_output_of_a_pipeline_is_not_added(twins):
    def script(s: Sandbox) -> None:
        start(s)
        s.run("add", "whole.txt", ok=False)
        s.run("add", "out", ok=False)

    twins(script)


def test_with_deps(twins):
    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("src", "1\n")
        s.run("add", "src")
        s.write("dvc.yaml", "stages:\n  go:\n    cmd: cp src o\n    deps: [src]\n    outs: [o]\n")
        s.dvc("repro", "-q", "--no-run-cache")
        s.delete(".dvc/cache/runs")
        s.run("push", "-d", "go")
        s.see("status", "-c", "--json")
        s.delete("o", "src", ".dvc/cache")
        s.run("pull", "-d", "go")
        assert (s.repo / "src").exists()
        s.see("status", "--json", "-d", "go")

    twins(script)


def test_imports_stay_frozen(twins):
    """Imports made by dvc: reported, pulled from where they came from, never pushed twice."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.write("../upstream", "from elsewhere\n")
        s.dvc("import-url", "../upstream", "local-copy")
        s.see("status", "--json")
        s.run("push")
        s.delete("local-copy", ".dvc/cache")
        s.run("pull")
        s.see("status", "--json")
        s.write("../upstream", "changed there\n")
        s.see("status", "--json")
        s.see("data", "status", "--json")

    twins(script)
