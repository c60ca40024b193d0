"""Facts about the machine and the software behind a measurement."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path


def hardware() -> dict[str, str | int | float]:
    """Return what this machine computes with.

    Returns
    -------
    dict
        ``processor`` (its model), ``cores`` that this process may use, ``memory_gib``,
        and ``accelerator``: the first CUDA GPU's model, or ``"none"``.

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


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on.

    >>> "python" in versions() and "numpy" in versions()
    True
    """
    found = {"python": platform.python_version()}
    for package in ("tensorflow", "jax", "keras", "numpy", "scikit-learn"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return float("nan")
    return round(pages * size / 2**30, 1)


def _output(*command: str) -> str:
    """First line that a command prints, or nothing where there is no such command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
