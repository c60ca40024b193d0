"""The README's commands exist and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md")


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_local_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text(page))
    links += re.findall(r'src="(?!https?://)([^"]+)"', text(page))
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


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


def test_readme_never_names_the_foreign_package_on_pypi():
    assert not re.search(r"pip install cifar[_-]utils", text("README.md"))


def test_python_examples_of_the_readme_run():
    for block in re.findall(r"```python\n(.*?)```", text("README.md"), re.S):
        exec(compile(block, "README.md", "exec"), {})
