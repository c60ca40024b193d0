"""Run the notebooks: `make tutorial`, `make notebooks` and a part of `make test`.

A notebook's source is the script of the same name in ``src/``; this runs it in a fresh
kernel and writes the executed notebook, in place or, with ``--output``, elsewhere
together with a web page; what fails goes to ``build/failed/``. The answers to its
exercises are in ``src/solutions/``; put into the notebook's own exercises, they make its
notebook of solutions. With ``--check``, nbval runs copies of the committed notebooks
instead, solutions behind them, and compares the outputs of the cells tagged for it. With ``--prose``, text that
changed in the scripts goes into the notebooks; outputs of unchanged code stay.

Notebooks hold the values of a full run. Those of the smoke profile are in
``smoke.toml``; papermill puts them into the copy that is run.
"""

import argparse
import asyncio
import base64
import io
import os
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.preprocessors import TagRemovePreprocessor
from papermill.parameterize import parameterize_notebook
from PIL import Image

from cifar_utils.data import DatasetError, find_cifar10

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src"
BUILD = HERE.parent / "build"
FAILED, CHECKED = BUILD / "failed", BUILD / "checked"
SMOKE = tomllib.loads((HERE / "smoke.toml").read_text(encoding="utf-8"))
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
GPU = {"accelerator": "GPU", "colab": {"gpuType": "T4"}}  # what Colab opens it on
AT_ONCE = {"smoke": 2, "full": 1}  # timings of a full run are results
# Pages are without the code that notebooks fold away; pictures are described by their cells.
PAGE = HTMLExporter(
    raw_template="""{%- extends "lab/index.html.j2" -%}
    {%- block data_png scoped -%}
    {{ super() | replace("<img", '<img alt="' ~ cell.metadata.alt | escape ~ '"') }}
    {%- endblock data_png -%}"""
)
PAGE.register_preprocessor(
    TagRemovePreprocessor(remove_input_tags={"hide-input"}), enabled=True
)
CELL_TIMEOUT = {"smoke": 300, "full": 3600}  # seconds


def choose_data() -> str:
    """Set the data source for the kernels, never one that has to be downloaded."""
    if os.environ.get("CIFAR_UTILS_SOURCE") == "synthetic":
        return "the drawn stand-in, as CIFAR_UTILS_SOURCE says"
    if folder := find_cifar10():
        os.environ["CIFAR10_DIR"] = str(folder.resolve())  # kernels run elsewhere
        return f"the CIFAR-10 files in {folder}"
    os.environ["CIFAR_UTILS_SOURCE"] = "synthetic"
    return "the drawn stand-in, as CIFAR-10 is not on this machine (`make data` fetches it)"


def choose_real_data() -> str:
    """The same, for results: the stand-in is refused."""
    chosen = choose_data()
    if os.environ.get("CIFAR_UTILS_SOURCE") == "synthetic":
        sys.exit(f"Expected CIFAR-10 for results. Received: {chosen}.")
    return chosen


def shown(path: Path) -> str:
    """The path from here; on Windows, none leads from one drive to another."""
    with suppress(ValueError):
        return os.path.relpath(path)
    return str(path)


def is_solution(script: Path) -> bool:
    return script.parent.name == "solutions"


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def exercises(cells: list) -> tuple[list, slice]:
    """The code that a notebook's exercises need before them, and where they stand."""
    headings = [cell.source.partition("\n")[0] for cell in cells]
    begin = next(i for i, heading in enumerate(headings) if heading.startswith("## 1 "))
    start, end = headings.index("## Exercises"), headings.index("## References")
    needed = [c for c in cells[:begin] if c.cell_type == "code"]
    needed += [c for c in cells[begin:start] if "setup" in tags(c)]
    return needed, slice(start + 1, end)


def solved(script: Path) -> nbformat.NotebookNode:
    """The exercises of a notebook, with what they need before them and their answers."""
    cells = jupytext.read(SOURCES / script.name).cells
    needed, where = exercises(cells)
    answers = {}
    for cell in jupytext.read(script).cells:
        if name := next((t for t in tags(cell) if t.startswith("answer-")), None):
            answers[name] = [cell]
            after = answers[name.replace("answer", "check")] = []
        else:
            after.append(cell)
    done = []
    for cell in cells[where]:
        name = next((t for t in tags(cell) if t in answers), "")
        done += answers[name] if "answer" in name else [cell, *answers.get(name, [])]
    title = cells[0].source.partition("\n")[0].replace("# ", "# Solutions to ")
    text = (
        f"{title}\n\nThe exercises of [the notebook](../{script.stem}.ipynb), solved."
    )
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell(text), *needed, *done]
    return notebook


def number(cells: list) -> None:
    """Give cells the same ids each time, so that diffs stay small."""
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i:02d}"


def as_notebook(script: Path) -> nbformat.NotebookNode:
    """Read a script as a notebook without outputs."""
    notebook = solved(script) if is_solution(script) else jupytext.read(script)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    if "\nimport keras" in "".join(cell.source for cell in notebook.cells):
        notebook.metadata |= nbformat.from_dict(GPU)
    number(notebook.cells)
    for cell in notebook.cells:
        if any(tag.startswith("check-") for tag in tags(cell)):
            # Folded away; what it prints is compared: solved, or not solved yet.
            cell.metadata.tags += ["nbval-check-output", "hide-input"]
            cell.metadata["jupyter"] = {"source_hidden": True}
    return notebook


def with_smoke_values(notebook: nbformat.NotebookNode, name: str):
    """The notebook with the smoke profile's values in a cell after its own settings."""
    if values := SMOKE.get(name):
        notebook.metadata["papermill"] = nbformat.from_dict({})
        for cell in notebook.cells:
            cell.metadata.setdefault("tags", [])  # papermill looks at each cell's
        notebook = parameterize_notebook(notebook, values, comment="Smoke profile")
        del notebook.metadata["papermill"]
    return notebook


def update(script: Path, target: Path) -> None:
    """Bring changed text into the executed notebook; unchanged code keeps its outputs."""
    executed = nbformat.read(target, as_version=4)
    notebook = combine_inputs_with_outputs(as_notebook(script), executed, "ipynb")
    notebook.metadata = executed.metadata
    number(notebook.cells)
    nbformat.write(notebook, target)


async def run(notebook: nbformat.NotebookNode, timeout: int) -> None:
    """Run all cells in a fresh kernel; Ctrl-C ends everything, not just the cell."""

    def on_notebook_start(**_) -> None:
        with suppress(NotImplementedError):  # on Windows
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(HERE)}},
        on_notebook_start=on_notebook_start,
    )
    await client.async_execute()


def slim(notebook: nbformat.NotebookNode) -> None:
    """Give large pictures a palette: a third of the bytes, and hardly to be seen."""
    for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
        data = output.get("data", {})
        if len(data.get("image/png", "")) > 40_000:
            picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
            slimmer = io.BytesIO()
            with_palette = picture.convert("RGB").quantize(
                256, Image.Quantize.MAXCOVERAGE, kmeans=5
            )
            with_palette.save(slimmer, "PNG", optimize=True)
            data["image/png"] = base64.b64encode(slimmer.getvalue()).decode()


async def execute(script: Path, target: Path, timeout: int, with_html: bool) -> None:
    """Run one script as a notebook; write what came of it, elsewhere if a cell failed."""
    notebook, place = as_notebook(script), FAILED / target.name
    if os.environ.get("CIFAR_UTILS_PROFILE") == "smoke":
        notebook = with_smoke_values(notebook, script.stem)
    try:
        await run(notebook, timeout)
        slim(notebook)
        place = target
    finally:
        place.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, place)
        if with_html:
            page, _ = PAGE.from_notebook_node(notebook)
            place.with_suffix(".html").write_text(page, encoding="utf-8")


async def execute_all(jobs: list[tuple], at_once: int) -> int:
    """Run notebooks, so many at once, with a line for each; return how many failed."""
    free, outcomes = asyncio.Semaphore(at_once), []

    async def attempt(script: Path, *rest) -> None:
        async with free:
            start = time.perf_counter()
            try:
                await execute(script, *rest)
                outcome = f"{(time.perf_counter() - start) / 60:.1f} min"
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                outcome = f"failed, see {shown(FAILED)}/\n{error}"
        outcomes.append(outcome)
        name = script.relative_to(SOURCES).with_suffix("").as_posix()
        print(f"[{len(outcomes)}/{len(jobs)}] {name}: {outcome}", flush=True)

    await asyncio.gather(*(attempt(*job) for job in jobs))
    return sum(outcome.startswith("failed") for outcome in outcomes)


def with_solutions(path: Path) -> nbformat.NotebookNode:
    """A committed notebook, and after its end its exercises again, solved."""
    notebook = nbformat.read(path, as_version=4)
    needed, _ = exercises(notebook.cells)
    solutions = nbformat.read(path.parent / "solutions" / path.name, as_version=4)
    for cell in solutions.cells[1 + len(needed) :]:
        cell.id = f"solved-{cell.id}"
        notebook.cells.append(cell)
    return notebook


def check(notebooks: list[Path]) -> int:
    """Run nbval over copies of the committed notebooks, with the smoke profile's values.

    Solutions run behind their notebook, in its kernel: to import TensorFlow and prepare the
    data takes as long as most of them.
    """
    os.environ["CIFAR_UTILS_PROFILE"] = "smoke"
    CHECKED.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in notebooks:
        copies.append(CHECKED / path.name)
        nbformat.write(with_smoke_values(with_solutions(path), path.stem), copies[-1])
    print(
        f"Checking {len(notebooks)} notebooks, solved, under nbval on {choose_data()}.",
        flush=True,
    )
    options = ["--nbval-lax", "--nbval-current-env"]
    options += [f"--numprocesses={AT_ONCE['smoke']}", "--dist=loadfile"]
    timeout = f"--nbval-cell-timeout={CELL_TIMEOUT['smoke']}"
    command = [sys.executable, "-m", "pytest", *options, timeout]
    return subprocess.run([*command, *map(str, copies)], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="which, e.g. 02 (default: all)")
    parser.add_argument("--profile", choices=("full", "smoke"), default="full")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for notebooks and web pages, without the solutions",
    )
    parser.add_argument("--check", action="store_true", help="run nbval instead")
    parser.add_argument(
        "--prose", action="store_true", help="update the text, and run nothing"
    )
    options = parser.parse_args()
    # "02" stands for the notebook and its solutions, "solutions/02" for these alone.
    names = [
        f"{part}{name}" for name in options.names or [""] for part in ("", "solutions/")
    ]
    scripts = [
        path
        for path in sorted(SOURCES.rglob("*.py"), key=lambda path: path.name)
        if any(path.relative_to(SOURCES).as_posix().startswith(name) for name in names)
        and not ((options.output or options.check) and is_solution(path))
    ]
    if not scripts:
        parser.error(f"no notebook's name starts with {' or '.join(names)}")
    in_place = not (options.check or options.output)
    if in_place and options.profile != "full":
        parser.error("the smoke profile is not for results; name a folder by --output")
    # Two kernels may share a GPU.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["CIFAR_UTILS_PROFILE"] = options.profile
    folder = (options.output or HERE).resolve()
    targets = [
        folder / script.relative_to(SOURCES).with_suffix(".ipynb") for script in scripts
    ]
    if options.check:
        return check(targets)
    if options.prose:
        for script, target in zip(scripts, targets, strict=True):
            update(script, target)
        return 0

    data = choose_real_data() if in_place else choose_data()
    print(f"Running {len(scripts)} notebooks, {options.profile} profile, on {data}.")
    jobs = [
        (script, target, CELL_TIMEOUT[options.profile], options.output is not None)
        for script, target in zip(scripts, targets, strict=True)
    ]
    # ZeroMQ, by which kernels speak, can't use the loop that Windows has by default.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        failed = runner.run(execute_all(jobs, AT_ONCE[options.profile]))
    print(f"Executed notebooks are in {shown(folder)}/.")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DatasetError as error:
        sys.exit(str(error))
