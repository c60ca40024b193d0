"""The same runs on several machines, by Ray (the optional extra ``cluster``)."""

import contextlib
import os
from collections.abc import Iterator

import numpy as np

from cifar_utils.checks import expected
from cifar_utils.data import ImageData

# What decides how a machine computes.
PASSED_ON = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")


def run_all(
    address: str,
    jobs: list[tuple[dict, ImageData]],
    test: tuple[np.ndarray, np.ndarray],
    precision: str | None = None,
) -> Iterator[dict]:
    """Let the machines of a cluster train and evaluate; yield each record as it is done.

    Each run has as many cores as the smallest machine, or one GPU, to itself. One whose
    machine is lost is begun anew on another.

    Parameters
    ----------
    address : str
        Of a Ray cluster: ``"auto"``, ``"host:port"`` or ``"ray://host:port"``. Its machines
        need the same version of this package; images are sent to them.
    jobs : list of (dict, ImageData)
        What ``run.identity`` says of each run, and its data; they are begun in this order.
    test : (images, labels)
    precision : str, optional
        A Keras dtype policy; without, each machine's best.

    Yields
    ------
    dict
        A record.

    Raises
    ------
    ValueError
        If Ray is not installed, there is no cluster at the address, or a run fails.
    """
    try:
        import ray
    except ImportError:
        hint = "pip install 'cifar10-keras-notebooks[cluster]', from a checkout: '.[cluster]'."
        raise expected("Ray, which runs on a cluster need", "none installed", hint) from None
    try:
        same = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        quiet = {"log_to_driver": False, "logging_level": "error"}
        ray.init(address, runtime_env={"env_vars": same}, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise expected(f"a Ray cluster at {address!r}", error) from None
    try:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        share = {"num_cpus": min(machine.get("CPU", 1) for machine in machines)}
        if all(machine.get("GPU") for machine in machines):
            share = {"num_cpus": 1, "num_gpus": 1}
        remote = ray.remote(max_retries=-1, **share)(_measure)
        sent = {id(data): ray.put(data) for _, data in jobs}
        test = ray.put(test)
        left = [remote.remote(wanted, sent[id(data)], test, precision) for wanted, data in jobs]
        while left:
            (done,), left = ray.wait(left)
            yield ray.get(done)
    except ray.exceptions.RayError as error:
        raise expected("a cluster that runs what it is given", error) from None
    finally:
        with contextlib.suppress(Exception):
            ray.shutdown()


def _measure(*arguments) -> dict:
    """On a machine of the cluster: as ``run.measure``."""
    from cifar_utils.experiments.run import measure

    record, _ = measure(*arguments, verbose=0)
    return record
