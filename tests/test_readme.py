"""The README's commands exist and its links lead somewhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_models import COUNTS

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md")


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*PAGES, "results/README.md"])
def test_local_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text(page))
    links += re.findall(r'src="(?!https?://)([^"]+)"', text(page))
    assert links
    for link in links:
        assert (ROOT / page).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_make_commands_are_targets(page):
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=[`\n ])", text(page)))
    assert named and named <= targets


def test_first_screen_shows_the_two_commands_and_no_other():
    first = text("README.md").partition("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", first, re.S).group(1)
    assert [line.split("#")[0].strip() for line in block.splitlines()] == [
        "make tutorial",
        "make test",
    ]


def test_every_notebook_is_listed():
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        assert f"notebooks/{path.name}" in text("README.md")


def test_minutes_and_counts_of_the_notebooks_are_those_they_tell_themselves():
    rows = re.findall(r"^\| \d\d \| \[.*$", text("README.md"), re.M)
    assert len(rows) == len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    for row in rows:
        (name,) = re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", row)
        source = text(f"notebooks/src/{name}.py")
        (minutes,) = re.findall(r"\| (< 1|\d+) min \|", row)
        told = "less than a minute" if minutes == "< 1" else f"{minutes} minutes"
        assert f"**Runtime** {told} on two" in source, row
        assert name.startswith(row[2:4])
        for count in re.findall(r"\d+,\d+", row):
            assert int(count.replace(",", "")) in [sum(both) for both in COUNTS.values()]


def test_readme_never_names_the_foreign_package_on_pypi():
    assert not re.search(r"pip install cifar[_-]utils", text("README.md"))


def test_counts_of_the_networks_are_those_that_tests_check():
    shown = {}
    for row in re.findall(r"^\| [s–]\d? \| .*$", text("README.md"), re.M):
        _, _, names, *counts, _ = row.split("|")
        if len(counts) == 2:
            totals, trained = (re.findall(r"[\d,]+", cell) for cell in counts)
            networks = [name for name in re.findall(r"`(\w+)`", names) if name in COUNTS]
            for k, name in enumerate(networks):
                both = totals[min(k, len(totals) - 1)], trained[min(k, len(trained) - 1)]
                shown[name] = tuple(int(count.replace(",", "")) for count in both)
    assert shown == {name: (t + f, t) for name, (t, f) in COUNTS.items()}


def test_every_module_is_linked_from_the_readme():
    for path in (ROOT / "cifar_utils").rglob("*.py"):
        if not path.name.startswith("__"):
            assert f"({path.relative_to(ROOT)})" in text("README.md"), path


def test_python_examples_of_the_readme_run(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for i, name in enumerate(("ant", "bee", "fly")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for k in range(36):
            picture = rng.integers(0, 80, (60, 50 + k, 3)) + [0, 60, 120][i]
            Image.fromarray(picture.astype("uint8")).save(tmp_path / f"pictures/{name}/{k}.png")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", text("README.md"), re.S):
        exec(compile(block, "README.md", "exec"), {})
