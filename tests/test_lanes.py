"""The ways by which users come: lanes and workflows try them, and code holds on all systems."""

import ast
import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LANES = ("colab", "jax", "lowest", "newest")
# The one door to each right beyond reading: a job of a workflow.
RIGHTS = {
    ("book", "deploy"): {"pages": "write", "id-token": "write"},
    ("release", "book"): {"contents": "read", "pages": "write", "id-token": "write"},
    ("release", "publish"): {"contents": "write"},
}

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_lane_is_a_make_target_and_a_job():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^LANES := (.*)$", makefile, re.M)
    assert targets.split() == [f"lane-{lane}" for lane in LANES]
    job = read(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["lane"]
    assert tuple(job["strategy"]["matrix"]["lane"]) == LANES
    script = (ROOT / ".ci" / "lane").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^#   (\w+)  +\w", script, re.M)) == LANES


@pytest.mark.skipif(os.name == "nt", reason="lanes are run by bash")
def test_a_lane_that_is_none_is_refused():
    done = subprocess.run([ROOT / ".ci" / "lane", "lowes"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "Expected colab, jax, lowest or newest. Received: 'lowes'.\n"


def test_what_the_lane_without_tensorflow_leaves_out_is_there_and_no_more():
    script = (ROOT / ".ci" / "lane").read_text(encoding="utf-8")
    (left_out,) = re.findall(r"left_out=\(\n(.*?)\n    \)\n", script, re.S)
    left_out = re.sub(" # .*", "", left_out)
    named = {n for names in re.findall(r"tests/test_\{(.*?)\}", script) for n in names.split(",")}
    tests = "".join((ROOT / f"tests/test_{n}.py").read_text(encoding="utf-8") for n in named)
    for word in set(re.findall(r"\w+", left_out)) - {"and", "or", "shape0"}:
        assert word in tests, word
    # `-k "True and not …"` would choose the few tests with True in their names.
    assert '-k "not (${any# or })"' in script


def test_actions_are_pinned_by_their_commit_and_each_to_one():
    pinned = {}
    for path in WORKFLOWS:
        for action, line in re.findall(
            r"uses: ([\w-]+/[\w-]+)(.*)$", path.read_text(encoding="utf-8"), re.M
        ):
            assert re.fullmatch(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), (path.name, action, line)
            assert pinned.setdefault(action, line) == line, (path.name, action)
    assert "actions/checkout" in pinned


@each_workflow
def test_workflows_may_read_and_a_job_may_do_what_it_is_for(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"} and workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert job.get("permissions") == RIGHTS.get((path.stem, name))
        assert "uses" in job or job["timeout-minutes"] <= 60
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_what_is_left_out_on_a_system_is_there():
    tests = read(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    for system in tests["include"]:
        assert system["os"] in tests["os"]
        for option in system["deselected"].split():
            found = re.fullmatch(r"--deselect=(tests/test_\w+\.py)::(test_\w+)", option)
            assert f"def {found[2]}(" in (ROOT / found[1]).read_text(encoding="utf-8"), option


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "cifar_utils").rglob("*.py"), ROOT / "notebooks" / "execute.py"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_text_is_read_and_written_in_an_encoding_of_our_own(path):
    # Windows' own can't hold all of our characters, and differs from country to country.
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr in ("read_text", "write_text"):
            assert "encoding" in {k.arg for k in call.keywords}, ast.unparse(call)
        if call.func.attr == "open" and ast.unparse(call.func.value) not in ("Image", "tarfile"):
            assert "b" in call.args[0].value, ast.unparse(call)


def test_folders_on_another_drive_are_named_in_full(monkeypatch):
    spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks" / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    monkeypatch.chdir(ROOT)
    assert execute.shown(ROOT / "build" / "failed") == str(Path("build", "failed"))

    def relpath(path):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", relpath)
    assert execute.shown(ROOT / "build") == str(ROOT / "build")
