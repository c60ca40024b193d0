"""The book leads each link somewhere, and finds what is wrong with its pages."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

for package in ("sphinx", "myst_nb"):
    pytest.importorskip(package, reason="the book is not tested: its packages come by `make site`")

BUILD = Path(__file__).parent.parent / "docs" / "build.py"


@pytest.fixture
def book():
    spec = importlib.util.spec_from_file_location("build", BUILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "link", "leads_to"),
    [
        ("README.md", "results/README.md#the-bench", "results/README.md#the-bench"),
        ("README.md", "cifar_utils/photo.py", "reference/photo.md"),
        ("README.md", "notebooks/solutions", "notebooks/solutions/01_explore_the_dataset.ipynb"),
        ("README.md", "pyproject.toml", "REPOSITORY/blob/main/pyproject.toml"),
        ("README.md", "notebooks/src", "REPOSITORY/tree/main/notebooks/src"),
        ("README.md", "https://keras.io", "https://keras.io"),
        ("README.md", "#start", "#start"),
        ("cifar_utils/README.md", "data.py", "../reference/data.md"),
        ("cifar_utils/README.md", "fast/resume.py", "../reference/fast.md#resume"),
        ("cifar_utils/README.md", "experiments", "../reference/experiments.md"),
        ("notebooks/solutions/01_a.ipynb", "../02_b.ipynb", "../02_b.ipynb"),
        ("notebooks/solutions/01_a.ipynb", "../../README.md", "../../index.md"),
    ],
)
def test_link_leads_to_the_book_or_else_to_the_repository(book, page, link, leads_to):
    expected = leads_to.replace("REPOSITORY", book.REPOSITORY)
    assert book.mended(f"see [this]({link}).", page) == f"see [this]({expected})."


@pytest.mark.parametrize(
    ("whole", "damaged", "fault"),
    [
        ("", "", None),
        ('href="other.html#place"', 'href="gone.html"', "which is not there"),
        ('id="place"', "", "whose place is not there"),
        ('src="../_images/a.png"', 'src="../_images/b.png"', "which is not there"),
        ('alt="a network and its layers"', 'alt=""', "without words"),
        ('class="cell_output"', "", "not 1 and 1"),
        ("<img.*?>", "", "not 1 and 1"),
        ('class="btn"', "", "no button for Colab"),
        ("tree/main/notebooks", "tree/main/gone", "which the repository has not"),
    ],
)
def test_page_that_is_damaged_is_found(book, tmp_path, monkeypatch, whole, damaged, fault):
    monkeypatch.setattr(book, "ROOT", tmp_path)
    monkeypatch.setattr(book, "SITE", tmp_path / "site")
    for folder in ("notebooks/solutions", "site/notebooks", "site/_images"):
        (tmp_path / folder).mkdir(parents=True)
    picture = nbformat.v4.new_output("display_data", {"image/png": "AA=="})
    cell = nbformat.v4.new_code_cell("plot()", outputs=[picture])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "01_a.ipynb")
    colab = f"{book.COLAB}/notebooks/01_a.ipynb"
    page = f"""<a href="{colab}"></a><a class="btn" href="{colab}"></a>
    <a href="other.html#place"></a><a href="{book.REPOSITORY}/tree/main/notebooks"></a>
    <div class="cell_output"><img src="../_images/a.png" alt="a network and its layers"></div>"""
    pages = {"notebooks/01_a.html": page, "notebooks/other.html": '<p id="place"></p>'}
    for name, text in pages.items():
        text = re.sub(whole, damaged, text) if whole else text
        (tmp_path / "site" / name).write_text(text, encoding="utf-8")
    for name in ("_images/a.png", "searchindex.js"):
        (tmp_path / "site" / name).touch()
    found = book.faults()
    assert any(fault in one for one in found) if fault else not found, found
