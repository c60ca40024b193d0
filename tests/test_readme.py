"""The README's commands exist and its links lead somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_models import COUNTS

import cifar_utils

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "cifar_utils/README.md")


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*PAGES, "results/README.md"])
def test_local_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text(page))
    links += re.findall(r'src="(?!https?://)([^"]+)"', text(page))
    assert links
    for link in links:
        assert (ROOT / page).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("page", PAGES[:2])
def test_make_commands_are_targets(page):
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    targets |= set(re.search(r"^LANES := (.*)$", text("Makefile"), re.M)[1].split())
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)\b", text(page), re.M))
    assert named and named <= targets


def test_make_help_lists_the_targets():
    command = ("make", "--no-print-directory", "help")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    phony = re.search(r"^\.PHONY: \$\(LANES\) (.*)$", text("Makefile"), re.M)[1].split()
    assert listed == {*phony, "lane-NAME"} and not done.stderr


def test_the_front_page_is_short_and_has_two_commands():
    assert len(text("README.md").splitlines()) <= 130
    (block,) = re.findall(r"```sh\n(.*?)```", text("README.md"), re.S)
    assert [line.split("#")[0].strip() for line in block.splitlines()] == [
        "make tutorial",
        "make test",
    ]


def test_every_notebook_is_listed():
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        assert f"notebooks/{path.name}" in text("README.md")


def test_minutes_of_the_notebooks_are_those_they_tell_themselves():
    rows = re.findall(r"^\| \d\d \| \[.*$", text("README.md"), re.M)
    assert len(rows) == len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    for row in rows:
        (name,) = re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", row)
        (minutes,) = re.findall(r"\| (\d+) min \|", row)
        assert f"**Runtime** about {minutes} minutes on two processor cores" in text(
            f"notebooks/src/{name}.py"
        ), row
        assert name.startswith(row[2:4])


def test_readme_never_names_the_foreign_package_on_pypi():
    assert not re.search(r"pip install cifar[_-]utils", text("README.md"))


def test_counts_of_the_networks_are_those_that_tests_check():
    shown = {}
    for row in re.findall(r"^\| [s–]\d? \| .*$", text("cifar_utils/README.md"), re.M):
        _, _, names, *counts, _ = row.split("|")
        if len(counts) == 2:
            totals, trained = (re.findall(r"[\d,]+", cell) for cell in counts)
            networks = [name for name in re.findall(r"`(\w+)`", names) if name in COUNTS]
            for k, name in enumerate(networks):
                both = totals[min(k, len(totals) - 1)], trained[min(k, len(trained) - 1)]
                shown[name] = tuple(int(count.replace(",", "")) for count in both)
    assert shown == {name: (t + f, t) for name, (t, f) in COUNTS.items()}


def test_every_module_is_linked_from_the_packages_readme():
    for path in (ROOT / "cifar_utils").rglob("*.py"):
        if not path.name.startswith("__"):
            link = f"({path.relative_to(ROOT / 'cifar_utils')})"
            assert link in text("cifar_utils/README.md"), path


@pytest.mark.parametrize("page", ["README.md", "cifar_utils/README.md"])
def test_python_examples_run(page, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for i, name in enumerate(("ant", "bee", "fly")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for k in range(36):
            picture = rng.integers(0, 80, (60, 50 + k, 3)) + [0, 60, 120][i]
            Image.fromarray(picture.astype("uint8")).save(tmp_path / f"pictures/{name}/{k}.png")
    Image.new("RGB", (640, 480), "tan").save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", text(page), re.S):
        exec(compile(block, page, "exec"), {})


def test_the_version_is_one_wherever_it_stands():
    assert f"\nversion: {cifar_utils.__version__}\n" in text("CITATION.cff")
    newest = re.search(r"^## (\S+), \d+ \w+ 20\d\d$", text("CHANGELOG.md"), re.M)
    assert newest[1] == cifar_utils.__version__


def test_one_command_changes_the_version_everywhere(tmp_path):
    for name in (
        "CITATION.cff",
        "cifar_utils/__init__.py",
        "notebooks/src/01_explore_the_dataset.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    change = [sys.executable, ROOT / ".ci" / "version"]
    assert subprocess.run([*change, "1.x"], cwd=tmp_path, capture_output=True).returncode == 1
    subprocess.run([*change, "9.8.7"], cwd=tmp_path, check=True, capture_output=True)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert "9.8.7" in path.read_text() and cifar_utils.__version__ not in path.read_text()


def test_one_command_changes_the_repositorys_address_everywhere(tmp_path):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a checkout")
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file() and (ROOT / name).suffix in (
            ".md",
            ".py",
            ".toml",
            ".cff",
            ".ipynb",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)

    def run(*arguments):
        return subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)

    run("git", "init", "-q"), run("git", "add", ".")
    command = sys.executable, ROOT / ".ci" / "repository"
    assert "Expected URL=https://github.com/OWNER/NAME" in run(*command, "ftp://there").stderr
    assert run(*command, "https://github.com/you/yours.git").returncode == 0
    addresses = set()
    for path in tmp_path.rglob("*.*"):
        if path.suffix in (".md", ".cff", ".ipynb", ".toml") and ".git" not in path.parts:
            addresses |= set(
                re.findall(r"github\.com/([\w.-]+/yours|cifar10-[\w./-]*)", path.read_text())
            )
    assert addresses == {"you/yours"}
    assert "/github/you/yours/blob/main/" in (tmp_path / "README.md").read_text()
