"""Every module is in the room where one would look, and imports only what its room may."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cifar_utils"
GROUND_FLOOR = {path.stem for path in PACKAGE.glob("*.py")}
# Which rooms a room may import from, beside itself: a module, or a wing with all its modules.
MAY_IMPORT = {
    "__init__": set(),
    "checks": set(),
    "dataset": {"checks"},
    "data": {"checks", "dataset"},
    "evaluation": {"checks"},
    "plotting": {"checks"},
    "explain": {"checks"},
    "augmentation": {"checks"},
    "models": {"checks", "data"},
    "recipes": {"checks", "augmentation", "models", "fast"},
    "fast": {"checks", "dataset"},
    "operations": {"checks", "fast", "recipes"},
    "pretrained": {"checks", "data", "models"},
    "training": {"checks", "data", "models", "augmentation", "recipes", "fast", "operations"},
    "photo": {"checks", "data", "evaluation", "pretrained"},
    "notebook": {"checks", "data", "fast"},
    "experiments": {*GROUND_FLOOR, "dataset", "fast"} - {"__main__", "notebook"},
    "__main__": {*GROUND_FLOOR, "dataset", "fast", "experiments"},
}


def imported_rooms(path):
    """First names behind ``cifar_utils`` that a module imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by dots"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("cifar_utils."))


@pytest.mark.parametrize("path", PACKAGE.rglob("*.py"), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_imports_only_what_its_room_may(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    forbidden = set(imported_rooms(path)) - MAY_IMPORT[parts[0]] - {parts[0], "__version__"}
    assert not forbidden, f"{'/'.join(parts)} imports {forbidden}"


def test_ground_floor_is_small_and_wings_are_the_three():
    assert len(GROUND_FLOOR - {"__init__", "__main__"}) <= 13
    wings = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert wings == {"dataset", "experiments", "fast"}


TRAIN = """
from dataclasses import replace
import sys, cifar_utils
from cifar_utils.data import load_cifar10
from cifar_utils.training import RECIPES, train
assert cifar_utils.__file__.startswith(sys.prefix)
data = load_cifar10("synthetic", val_size=10, limit=20)
run = train(replace(RECIPES["valid_cnn"], batch_size=20), data, epochs=1, verbose=0)
assert run.history["loss"]
"""


def test_wheel_holds_the_whole_package_and_runs_without_the_checkout(tmp_path, clean_environment):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    source = tmp_path / "source"  # setuptools would leave a folder `build` beside it
    shutil.copytree(PACKAGE, source / "cifar_utils")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    modules = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}
    for beside in ("weights/*", "*.json", "*.npz"):
        modules |= {str(path.relative_to(ROOT)) for path in PACKAGE.glob(beside)}
    with zipfile.ZipFile(wheel) as file:
        assert modules <= set(file.namelist())
    # An environment with the packages of this one, but for the checkout: `.pth` files, by
    # which that is installed, are not read in a folder that another `.pth` file names.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "packages.pth").write_text(packages)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", *offline[:2], wheel], check=True)
    smoke = [ROOT / "notebooks" / "execute.py", "01", "--profile", "smoke", "--output", tmp_path]
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(clean_environment), "CIFAR_UTILS_SOURCE": "synthetic",
        "JUPYTER_PATH": str(Path(sys.prefix, "share", "jupyter")),
    }  # fmt: skip
    for command in (["-c", TRAIN], smoke):
        subprocess.run([python, *command], cwd=tmp_path, env=environment, check=True)
