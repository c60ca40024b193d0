"""The notebooks keep the series' form: parts, sizes, order, outputs."""

import ast
import re
import statistics
from pathlib import Path

import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
MARKER = "# NBVAL_CHECK_OUTPUT"
PARTS = ("Setup", "Settings", "Check your understanding", "Summary", "Exercises", "References")

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def prose(path):
    return "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")


def test_notebook_is_its_script_executed(path):
    script = jupytext.read(FOLDER / "src" / f"{path.stem}.py")
    assert [(c.cell_type, c.source) for c in read(path).cells] == [
        (c.cell_type, c.source) for c in script.cells
    ], f"run `make notebooks`: {path.name} and its script differ"


def test_cells_were_run_in_order_without_error_or_noise(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.source


def test_outputs_are_of_the_full_profile_and_name_the_data(path):
    text = "".join(o.get("text", "") for c in code_cells(path) for o in c.outputs)
    assert "profile: full" in text
    assert "cifar10-q75" in text or "cifar10 " in text
    assert "synthetic stand-in" not in text


def test_checked_cells_have_outputs_to_check(path):
    marked = [cell for cell in code_cells(path) if MARKER in cell.source]
    assert marked, "no cell's output is compared"
    for cell in marked:
        assert cell.source.startswith(MARKER + "\n") and cell.source.count(MARKER) == 1
        assert cell.outputs and cell.execution_count, cell.source


def test_parts_come_in_order(path):
    text = prose(path)
    number = int(path.stem[:2])
    assert text.startswith(f"# {number:02d} · ") and text.count("\n# ") == 0
    for part in ("**You will learn**", "**Before you start**", "**Runtime**", "Open in Colab"):
        assert part in text.partition("## Setup")[0]
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert [h for h in headings if h in PARTS] == list(PARTS)
    numbered = [int(h.split()[0]) for h in headings if h not in PARTS]
    assert numbered == list(range(1, len(numbered) + 1))
    assert "<details>" in text and re.search(r"\*\*(Next|Previous)", text.split("## References")[1])


def test_sizes_stay_within_the_norms(path):
    cells, scripts = read(path).cells, code_cells(path)
    sizes = [len(code_lines(cell)) for cell in scripts]
    assert 30 <= len(cells) <= 70
    assert statistics.median(sizes) <= 8 and max(sizes) <= 25
    assert sum(size <= 18 for size in sizes) >= 0.9 * len(sizes)
    sections = prose(path).partition("\n## 1 ")[2].partition("\n## Check your")[0]
    words = sum(len(line.split()) for line in sections.splitlines() if line[:1] != "|")
    assert 4 <= words / sum(sizes) <= 9
    assert path.stat().st_size < 1.5e6
    for cell in scripts:
        assert max(map(len, cell.source.splitlines())) <= 88 or "%pip" in cell.source


def test_settings_are_named_once_in_capitals(path):
    cells = code_cells(path)
    (settings,) = [c for c in cells if "parameters" in c.metadata.get("tags", [])]
    names = {
        name.id
        for node in ast.parse(settings.source).body
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    assert names and all(name.isupper() for name in names)
    later = "\n".join(c.source for c in cells if c is not settings)
    for name in names:
        assert not re.search(rf"^{name} *=", later, re.M), f"{name} is set twice"
        uses = re.findall(rf"\b{name}\b", f"{settings.source}\n{later}")
        assert len(uses) > 1, f"{name} is not used"


def test_test_set_is_opened_once_after_all_training(path):
    sources = [cell.source for cell in code_cells(path)]
    opened = [i for i, source in enumerate(sources) if "= load_cifar10_test(" in source]
    assert len(opened) <= 1
    trained = [i for i, source in enumerate(sources) if ".fit(" in source]
    assert not opened or not trained or max(trained) < opened[0]


def test_every_picture_names_its_data(path):
    drawing = re.compile(r"\bplot_\w+\(|plt\.subplots\(")
    for cell in code_cells(path):
        if drawing.search(cell.source):
            assert "data.name" in cell.source, cell.source


def test_notebook_says_nothing_of_the_machine_it_was_made_on(path):
    assert not re.search(r"/(home|root|tmp|var|work|Users)/", path.read_text(encoding="utf-8"))
