"""The ledger: one JSON file per measured run, behind every number of the series.

A record says what was run, on what, and what came out. It carries a checksum, so that
a file that was cut short or edited by hand is noticed when it is read.
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from cifar_utils import __version__

FIELDS = {
    "train": (
        "kind", "recipe", "model", "params", "data", "seed", "epochs", "val_accuracy",
        "test_accuracy", "test_nll", "test_ece", "confusion_matrix", "train_seconds",
        "images_per_second", "history", "settings", "hardware", "precision", "backend",
        "versions", "date",
    ),
    "bench": ("kind", "speeds", "data", "hardware", "backend", "versions", "date"),
}  # fmt: skip


CHECKOUT = Path(__file__).resolve().parent.parent


class LedgerError(ValueError):
    """A record that can't be trusted, by name, and what is wrong with it."""


def default_folder() -> Path:
    """Where the records lie: ``results/`` of the checkout, or of the present folder without one."""
    return (CHECKOUT if _is_checkout() else Path()) / "results"


def write_record(record: dict, folder: Path | None = None) -> Path:
    """Add a record to the ledger, after the run that it tells of.

    The file appears whole or not at all, under a name of its own.

    Parameters
    ----------
    record : dict
        What JSON can hold, with all of ``FIELDS[record["kind"]]`` but ``date``,
        which is added where it is missing.
    folder : path, optional
        Without, :func:`default_folder`.

    Returns
    -------
    Path

    Raises
    ------
    LedgerError
        If a field is missing.
    """
    record = {"date": datetime.datetime.now().isoformat(timespec="seconds")} | record
    record = json.loads(json.dumps(record))  # as it will be read: keys are strings there
    _check_fields(record, "the new record")
    record["checksum"] = checksum(record)
    folder = Path(folder or default_folder())
    folder.mkdir(parents=True, exist_ok=True)
    parts = [record["kind"], record.get("recipe"), f"seed{record.get('seed', 0)}"]
    name = "-".join([*filter(None, parts), record["checksum"][:8]])
    half_written = folder / f".{name}.{os.getpid()}"
    half_written.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return half_written.replace(folder / f"{name}.json")


def read_records(folder: Path | None = None, **wanted) -> list[dict]:
    """Read the ledger.

    Parameters
    ----------
    folder : path, optional
        Without, :func:`default_folder`.
    **wanted
        Fields and the values that they must have, for example ``kind="train"``.

    Returns
    -------
    list of dict
        In the order of recipes and seeds.

    Raises
    ------
    LedgerError
        If a file is no record, lacks a field, or was changed after it was written.
    """
    records = []
    for path in sorted(Path(folder or default_folder()).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise LedgerError(f"Expected {path.name} to be a record. Received: {error}") from None
        if not isinstance(record, dict):
            raise LedgerError(f"Expected {path.name} to be a record. Received: no object.")
        _check_fields(record, path.name)
        if record.get("checksum") != checksum(record):
            raise LedgerError(
                f"Expected {path.name} as it was written. Received: one whose checksum differs. "
                "Restore it from version control, or remove it and run the recipe again."
            )
        records.append(record)
    chosen = [r for r in records if all(r.get(k) == v for k, v in wanted.items())]
    return sorted(chosen, key=lambda r: (r["kind"], r.get("recipe", ""), r.get("seed", 0)))


def hardware() -> dict[str, str | int | float | None]:
    """Return what this machine computes with.

    Returns
    -------
    dict
        ``processor`` (its model), ``cores`` that this process may use, ``memory_gib``
        (None where the system does not tell), and ``accelerator``: the first CUDA GPU's
        model, or ``"none"``.

    Examples
    --------
    >>> sorted(hardware())
    ['accelerator', 'cores', 'memory_gib', 'processor']
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return {
        "processor": _processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 1,
        "memory_gib": _memory_gib(),
        "accelerator": _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "none",
    }


def versions(*more: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on, and of more.

    >>> "python" in versions() and "numpy" in versions()
    True
    """
    found = {"python": platform.python_version()}
    for package in ("tensorflow", "jax", "keras", "numpy", "scikit-learn", *more):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """This package's version and, in a git checkout, the commit that it is at.

    >>> revision().startswith(__version__)
    True
    """
    describe = ("git", "-C", str(CHECKOUT), "describe", "--always", "--dirty")
    return f"{__version__} {_output(*describe) if _is_checkout() else ''}".strip()


def _is_checkout() -> bool:
    return (CHECKOUT / "pyproject.toml").exists()


def _check_fields(record: dict, name: str) -> None:
    fields = FIELDS.get(record.get("kind"), ("kind",))
    missing = [field for field in fields if field not in record]
    if missing or record["kind"] not in FIELDS:
        raise LedgerError(
            f"Expected {name} to be of kind {' or '.join(FIELDS)} with all its fields. "
            f"Received: kind {record.get('kind')!r} without {', '.join(missing) or 'fields'}."
        )


def checksum(record: dict) -> str:
    """SHA-256 over all fields but itself."""
    kept = {key: value for key, value in record.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    return round(pages * size / 2**30, 1)


def _output(*command: str) -> str:
    """First line that a command prints, or nothing where there is no such command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
