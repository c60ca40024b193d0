"""The notebooks keep the series' form: parts, sizes, order, outputs, solved exercises."""

import ast
import asyncio
import base64
import importlib.util
import io
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import cifar_utils

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
SOLUTIONS = sorted(FOLDER.glob("solutions/*.ipynb"))
COMPARED = "nbval-check-output"
PARTS = (
    "Setup", "Settings", "Check your understanding", "How far to trust this", "Three takeaways",
    "Exercises", "References",
)  # fmt: skip

spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_and_solutions = pytest.mark.parametrize(
    "path", NOTEBOOKS + SOLUTIONS, ids=lambda path: str(path.relative_to(FOLDER))
)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def prose(path):
    return "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")


def verdicts(path):
    """What the cells that check the exercises said."""
    checks = [c for c in code_cells(path) if any(t.startswith("check-") for t in execute.tags(c))]
    return ["".join(o.get("text", "") for o in cell.outputs).splitlines()[-1] for cell in checks]


@each_and_solutions
def test_notebook_is_its_script_executed(path):
    script = execute.SOURCES / path.relative_to(FOLDER).with_suffix(".py")
    assert [(c.cell_type, c.source) for c in read(path).cells] == [
        (c.cell_type, c.source) for c in execute.as_notebook(script).cells
    ], f"run `make notebooks`: {path.name} and its script differ"


def test_every_notebook_has_solutions():
    assert [path.name for path in SOLUTIONS] == [path.name for path in NOTEBOOKS]


@each
def test_exercises_fail_unsolved_and_pass_solved(path):
    unsolved, solved = verdicts(path), verdicts(FOLDER / "solutions" / path.name)
    assert [said[:27] for said in unsolved] == [f"Exercise {i}: not solved yet." for i in (1, 2, 3)]
    assert solved == [f"Exercise {i}: solved" for i in (1, 2, 3)]
    for one in (path, FOLDER / "solutions" / path.name):  # nbval compares what they say
        compared = [execute.tags(c) for c in code_cells(one) if COMPARED in execute.tags(c)]
        assert [t for tags in compared for t in tags if t.startswith("check-")] == [
            f"check-{i}" for i in (1, 2, 3)
        ]
    stars = re.findall(r"^\*\*Exercise \d (★+)", prose(path), re.M)
    assert stars == ["★", "★★", "★★★"]
    assert re.search(r"^\*\*Why\?\*\* .*?<details>", prose(path), re.M | re.S)


@each_and_solutions
def test_cells_were_run_in_order_without_error_or_noise(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.source


@each_and_solutions
def test_outputs_are_of_the_full_profile_and_name_the_data(path):
    text = "".join(o.get("text", "") for c in code_cells(path) for o in c.outputs)
    assert text.startswith("full profile | ")
    assert re.search(r"\bcifar10\b", text)
    assert "synthetic stand-in" not in text


@each
def test_checked_cells_have_outputs_to_check(path):
    cells = code_cells(path)
    marked = [c for c in cells if COMPARED in execute.tags(c)]
    assert len(marked) > 3, "no cell's output is compared but the exercises'"
    for cell in marked:
        assert cell.outputs and cell.execution_count, cell.source


@each
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
    assert (
        "**Before you run" in text
        and "<details>" in text
        and re.search(r"\*\*(Next|Previous)", text.split("## References")[1])
    )


@each
def test_sizes_stay_within_the_norms(path):
    cells, scripts = read(path).cells, code_cells(path)
    sizes = [len(code_lines(c)) for c in scripts if "hide-input" not in execute.tags(c)]
    assert 35 <= len(cells) <= 80
    assert statistics.median(sizes) <= 8 and max(sizes) <= 25
    assert sum(size <= 18 for size in sizes) >= 0.9 * len(sizes)
    assert path.stat().st_size < 2e6
    for cell in scripts:
        assert max(map(len, cell.source.splitlines())) <= 88


@each
def test_the_first_section_comes_after_two_code_cells(path):
    begin = next(i for i, c in enumerate(read(path).cells) if c.source.startswith("## 1 "))
    setup, settings = [c for c in read(path).cells[:begin] if c.cell_type == "code"]
    assert setup.metadata["jupyter"]["source_hidden"] and setup.source.startswith("# @title")
    assert "parameters" in execute.tags(settings)


def paragraphs(path):
    """The prose, without headings, formulas, tables, code, links and references."""
    text = prose(path).partition("\n## 1 ")[2].partition("\n## References")[0]
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$|`[^`]*`|\]\([^)]*\)|\[[\d, ]+\]", " ", text, flags=re.S)
    blocks = [
        re.sub(r"\s+", " ", block) for block in re.split(r"\n\s*\n|\n(?:> ?)?(?:\*|\d\.) ", text)
    ]
    return [block for block in blocks if block.strip() and block[0] not in "#|"]


# "3 × 3" is one number; names of notebooks, sections, exercises and questions, and years, are none.
NAMED = re.compile(
    r"CIFAR-10H?|(notebooks?|sections?|exercise) \d+(( to |, | and )\d+)*|\b(19|20)\d\d\b"
    r"|^\*\*.*?\*\*",
    re.I,
)
NUMBER = re.compile(r"\d[\d.,]*( × \d+)*")


@each
def test_prose_recites_no_numbers(path):
    found = paragraphs(path)
    many = [p for p in found if len(NUMBER.findall(NAMED.sub("", p))) > 2]
    assert len(many) <= 0.1 * len(found), "\n\n".join(many)


@each
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


@each
def test_test_set_is_opened_once_after_all_training(path):
    sources = [cell.source for cell in code_cells(path)]
    opened = [
        i
        for i, source in enumerate(sources)
        if re.search(r"= (?:\w+\.)?load_cifar10_test\(", source)
    ]
    # 06 trains nothing to its end; 08 abuses an exam, for which it sets training images aside.
    sealed = path.stem in {"06_train_faster", "08_broken_on_purpose"}
    assert len(opened) == (0 if sealed else 1)
    learning = re.compile(r"\.fit\(|\btrain\(")
    helpers = [s for s in sources if s.startswith("def ") and learning.search(s)]
    names = "|".join(re.match(r"def (\w+)", source)[1] for source in helpers)
    if names:
        learning = re.compile(rf"{learning.pattern}|\b(?:{names})\(")
    exercises = next(i for i, c in enumerate(code_cells(path)) if "answer-1" in execute.tags(c))
    trained = [i for i, source in enumerate(sources[:exercises]) if learning.search(source)]
    assert not trained or not opened or max(trained) < opened[0]


# A number before its unit, or first of two: "83.6 against 83.2 %", "1.2 to 3.4 points".
PERCENTAGE = re.compile(r"(\d+\.\d)(?= (?:(?:to|against|and|or|instead of) \d+\.\d )?(?:%|points))")


@each_and_solutions
def test_percentages_in_the_prose_were_printed_or_are_cited(path):
    own = FOLDER / path.name  # a solution also speaks of its notebook's
    outputs = [output for p in {path, own} for cell in code_cells(p) for output in cell.outputs]
    data = [output.get("data", {}) for output in outputs]
    tables = [re.sub("<[^>]+>", " ", d.get("text/html", d.get("text/plain", ""))) for d in data]
    texts = [output.get("text", "") for output in outputs]
    printed = set()
    for number, percent in re.findall(r"(\d+\.\d+)(%?)", "\n".join(texts + tables)):
        printed.add(f"{float(number):.1f}")
        if not percent:
            printed.add(f"{100 * float(number):.1f}")
    for line in prose(path).partition("## References")[0].splitlines():
        if not re.search(r"\[\d\]", line):
            for number in PERCENTAGE.findall(line):
                assert number in printed, f"{number} stands in: {line}"


@each
def test_accuracies_of_several_runs_that_a_notebook_cites_are_those_of_the_ledger(path):
    ledger = (FOLDER.parent / "results" / "README.md").read_text(encoding="utf-8")
    for figure in re.findall(r"[\d.]+ ± [\d.]+ %", re.sub(r"\s+", " ", prose(path))):
        assert f" {figure} " in ledger, figure


@each_and_solutions
def test_nothing_is_left_to_be_written(path):
    assert not re.search(r"\b(XXX|TODO|FIXME)\b", "\n".join(c.source for c in read(path).cells))


@each
def test_links_lead_somewhere_and_colab_gets_this_version(path):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", prose(path)):
        assert link.startswith("https://") or (path.parent / link).exists(), link
    assert f"/blob/main/notebooks/{path.name})" in read(path).cells[0].source
    assert f"@v{cifar_utils.__version__}" in code_cells(path)[0].source


@each_and_solutions
def test_every_picture_names_its_data(path):
    drawing = re.compile(r"\bplot_\w+\(|plt\.subplots\(")
    for cell in code_cells(path):
        if drawing.search(cell.source) and "diagram" not in execute.tags(cell):
            assert "data.name" in cell.source, cell.source


@each
def test_every_picture_is_described_for_those_who_cannot_see_it(path):
    for cell in code_cells(path):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            assert len(cell.metadata.get("alt", "")) > 30, cell.source


@each_and_solutions
def test_notebook_says_nothing_of_the_machine_it_was_made_on(path):
    assert not re.search(r"/(home|root|tmp|var|work|Users)/", path.read_text(encoding="utf-8"))


def test_smoke_values_stand_in_for_settings_that_the_notebook_has():
    assert set(execute.SMOKE) <= {path.stem for path in NOTEBOOKS}
    for name, values in execute.SMOKE.items():
        notebook = execute.with_smoke_values(read(FOLDER / f"{name}.ipynb"), name)
        tags = [execute.tags(cell) for cell in notebook.cells]
        place = tags.index(["parameters"])
        assert tags[place + 1] == ["injected-parameters"]
        own, injected = ({}, {})
        exec(notebook.cells[place].source, own)
        exec(notebook.cells[place + 1].source, injected)
        assert {k: v for k, v in injected.items() if k in values} == values
        assert set(values) <= set(own) and "papermill" not in notebook.metadata


def test_solutions_use_no_name_that_they_have_not():
    # nbval runs them behind their notebooks, which define more than the solutions have alone.
    command = ["ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise"]
    done = subprocess.run(
        [sys.executable, "-m", *command, *SOLUTIONS], capture_output=True, text=True
    )
    assert not re.findall(r"F821 .*`(\w+)`", done.stdout), done.stdout


def test_changed_prose_leaves_the_outputs_alone(tmp_path):
    path, target = NOTEBOOKS[0], tmp_path / NOTEBOOKS[0].name
    executed = read(path)
    executed.cells[0].source = "# Another title"
    del executed.cells[9]  # a paragraph is new in the script: cells behind it change their ids
    for i, cell in enumerate(executed.cells):
        cell.id = f"cell-{i:02d}"
    nbformat.write(executed, target)
    execute.update(execute.SOURCES / f"{path.stem}.py", target)
    assert read(target) == read(path)


def test_large_pictures_become_small_and_look_as_before():
    ramp = np.linspace(0, 255, 256)
    noise = np.random.default_rng(0).normal(0, 8, (256, 256, 3))
    pixels = np.stack([ramp[None] + 0 * ramp[:, None]] * 2 + [ramp[:, None] + 0 * ramp], axis=-1)
    file = io.BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype("uint8")).save(file, "PNG")
    notebook, large = nbformat.v4.new_notebook(), base64.b64encode(file.getvalue()).decode()
    output = nbformat.v4.new_output("display_data", {"image/png": large})
    notebook.cells = [nbformat.v4.new_code_cell(outputs=[output]), nbformat.v4.new_markdown_cell()]
    execute.slim(notebook)
    small = base64.b64decode(output.data["image/png"])
    assert len(small) < len(file.getvalue()) / 2
    shown = np.asarray(Image.open(io.BytesIO(small)).convert("RGB"), float)
    assert np.abs(shown - pixels).mean() < 16


@pytest.mark.parametrize("source", ["", "auto", "cifar10"])
def test_kernels_never_wait_for_a_download(source, monkeypatch):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", source)
    monkeypatch.setattr(execute, "find_cifar10", lambda: None)
    assert "stand-in" in execute.choose_data()
    assert os.environ["CIFAR_UTILS_SOURCE"] == "synthetic"
    with pytest.raises(SystemExit, match="Expected CIFAR-10 for results"):
        execute.choose_real_data()


INTERRUPTED = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import execute, nbformat
notebook = nbformat.v4.new_notebook()
started = f"import pathlib, time; pathlib.Path({sys.argv[2]!r}).touch(); time.sleep(60)"
notebook.cells = [nbformat.v4.new_code_cell(started)]
asyncio.run(execute.run(notebook, 100))
"""


def test_interrupted_execution_ends_at_once(tmp_path):
    started = tmp_path / "started"
    command = [sys.executable, "-c", INTERRUPTED, str(FOLDER), str(started)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not started.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode and "KeyboardInterrupt" in errors


def test_notebook_that_fails_leaves_the_executed_one_alone(tmp_path, monkeypatch):
    failing = nbformat.v4.new_notebook()
    failing.cells = [nbformat.v4.new_code_cell("1 / 0")]
    monkeypatch.setattr(execute, "as_notebook", lambda script: failing)
    monkeypatch.setattr(execute, "FAILED", tmp_path / "failed")
    target = tmp_path / "executed.ipynb"
    target.write_text("as it was")
    job = execute.SOURCES / "executed.py", target, 60, False
    assert asyncio.run(execute.execute_all([job], 1)) == 1
    assert target.read_text() == "as it was"
    assert "ZeroDivisionError" in (tmp_path / "failed" / target.name).read_text()


def test_kernels_are_given_a_relative_folder_as_an_absolute_one(monkeypatch):
    monkeypatch.delenv("CIFAR_UTILS_SOURCE", raising=False)
    monkeypatch.setenv("CIFAR10_DIR", "images")
    monkeypatch.setattr(execute, "find_cifar10", lambda: Path("images"))
    execute.choose_data()
    assert Path(os.environ["CIFAR10_DIR"]).is_absolute()
