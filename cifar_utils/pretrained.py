"""Networks that are trained already, what they are worth, and how trainings went.

All of it comes with the package.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from cifar_utils.checks import Named, expected
from cifar_utils.data import CLASS_NAMES
from cifar_utils.models import build_model, keras_defaults

FOLDER = Path(__file__).with_name("weights")
HISTORIES = Path(__file__).with_name("histories.json")
JUDGEMENTS = Path(__file__).with_name("judgements.json")
OUT_OF_FOLD = Path(__file__).with_name("out_of_fold.npz")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network's weights, and where they come from.

    Attributes
    ----------
    network : str
        For ``models.build_model``.
    options : mapping
        The network's other options, the training images' statistics among them.
    recipe, record : str
        The recipe that it was trained by, on 45,000 images of CIFAR-10, and the name of that
        run's record in the ledger, ``results/``.
    test_accuracy : float
        One view, as recorded.
    temperature : float
        For ``evaluation.predict_probabilities``; fitted on the 5,000 other images.
    sha256 : str
        Of the file of weights.
    threshold : float
        Of confidence: of the answers that six views make as sure, 98 % are right on these 5,000
        images. ``photo.classify_photo`` says "not sure" below it.
    """

    network: str
    options: Mapping[str, Any]
    recipe: str
    record: str
    test_accuracy: float
    temperature: float
    sha256: str
    threshold: float = 0.0


TRAINED: Mapping[str, Trained] = MappingProxyType(
    Named(
        "trained network",
        {
            file.stem: Trained(**json.loads(file.read_text(encoding="utf-8")))
            for file in sorted(FOLDER.glob("*.json"))
        },
    )
)


def load_trained(name: str) -> keras.Model:
    """A network that is trained already. Taught in notebook 05.

    Parameters
    ----------
    name : str
        One of ``TRAINED``, which also has each one's test accuracy, temperature and recipe.

    Returns
    -------
    keras.Model
        Of Keras' own layers, not compiled; takes pixels from 0 to 255 and returns logits. Its
        weights were kept in half precision.

    Raises
    ------
    ValueError
        If there is no such network, or its file is not as it was written.

    Examples
    --------
    >>> from cifar_utils.evaluation import predict_probabilities
    >>> model = load_trained("valid_cnn")
    >>> images = np.zeros((2, 32, 32, 3), "uint8")
    >>> temperature = TRAINED["valid_cnn"].temperature
    >>> predict_probabilities(model, images, temperature=temperature).shape
    (2, 10)
    """
    about = TRAINED[name]
    return read_network(about, FOLDER / f"{name}.npz")


def load_histories(recipe: str) -> list[dict[str, list[float]]]:
    """How the ledger's trainings by a recipe went, epoch by epoch. Taught in notebook 02.

    A notebook shows these where the training itself would take too long.

    Parameters
    ----------
    recipe : str
        One of ``training.RECIPES`` that the ledger has runs of, on 45,000 images of CIFAR-10.

    Returns
    -------
    list of dict
        One a seed, from 0 on, as ``keras.callbacks.History.history``: ``accuracy``, ``loss``,
        ``val_accuracy`` and ``val_loss``, a value an epoch, rounded to four decimals.

    Raises
    ------
    ValueError
        If there are no such runs.

    Examples
    --------
    >>> curves = load_histories("valid_cnn_tuned")
    >>> len(curves[0]["val_accuracy"])
    10
    """
    return Named("recipe with runs", json.loads(HISTORIES.read_text(encoding="utf-8")))[recipe]


def load_out_of_fold() -> np.ndarray:
    """What networks say of CIFAR-10's training images that they were not trained on.

    Taught in notebook 07.

    The images were dealt into five folds, and a network was trained without each. Where such a
    network is sure of another class than the label, the label may be wrong.

    Returns
    -------
    ndarray of float64, shape (50000, 10)
        Probabilities, rounded to 255ths, a row an image in the order of
        ``load_cifar10(val_size=0)``. Each row sums to 1.

    Raises
    ------
    ValueError
        If the file is not there.

    References
    ----------
    C. G. Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels",
    2021, arXiv:1911.00068.

    Examples
    --------
    >>> load_out_of_fold().shape
    (50000, 10)
    """
    try:
        with np.load(OUT_OF_FOLD, allow_pickle=False) as file:
            counts = file["probabilities"].astype(float)
    except OSError as error:
        hint = "`python -m cifar_utils out-of-fold` makes it."
        raise expected(f"{OUT_OF_FOLD.name}, a file of probabilities", error, hint) from None
    return counts / counts.sum(axis=1, keepdims=True)


def load_judgement(name: str) -> dict[str, dict]:
    """What the ledger says a trained network is worth, beyond its accuracy.

    Parameters
    ----------
    name : str
        One of ``TRAINED``.

    Returns
    -------
    dict
        ``figures``, each with its ``value``, the interval of 95 % from ``low`` to ``high``, and
        how many ``images`` it is of; ``corrupted``, for each of ``evaluation.CORRUPTIONS`` the
        accuracies (fractions) at its five severities. ``results/README.md`` says what each is.

    Raises
    ------
    ValueError
        If there is no such network, or it was not judged.
    """
    record = TRAINED[name].record
    judged = json.loads(JUDGEMENTS.read_text(encoding="utf-8"))
    if record not in judged:
        hint = f"`python -m cifar_utils judge {name}` makes one, `results` puts it here."
        raise expected(f"a judgement of {name} in {JUDGEMENTS.name}", "none", hint)
    return {part: judged[record][part] for part in ("figures", "corrupted")}


def model_card(name: str) -> str:
    """A trained network's model card: what it is for, how good it is, and where it fails.

    Taught in notebook 07.

    Parameters
    ----------
    name : str
        One of ``TRAINED`` that was judged.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    ValueError
        As for :func:`load_judgement`.

    References
    ----------
    M. Mitchell et al., "Model Cards for Model Reporting", 2019, arXiv:1810.03993.

    Examples
    --------
    >>> print(model_card("fast_cnn_large").partition("\\n")[0])
    ### Model card: `fast_cnn_large`
    """
    about, judged = TRAINED[name], load_judgement(name)
    figures, parameters = judged["figures"], load_trained(name).count_params()
    images, accepted, unseen = (
        figures[f"accuracy{without}"]["images"]
        for without in ("", "_without_rejected", "_without_duplicates")
    )
    labels = {
        "accuracy": "accuracy",
        "accuracy_without_rejected": "without rejected labels",
        "accuracy_without_duplicates": "without near-duplicates",
        "accuracy_without_both": "without both",
        "human_agreement": "agreement with what most people chose",
        "calibration_error": "gap between confidence and accuracy",
        "calibration_error_scaled": f"the same at a temperature of {about.temperature:.2f}",
        "corrupted_accuracy": "mean accuracy under corruption",
    }
    rows = "\n".join(f"| {label} | {figure_text(figures[key])} |" for key, label in labels.items())
    worst_first = sorted(judged["corrupted"].items(), key=lambda item: sum(item[1]))
    broken = "\n".join(
        f"| {kind.replace('_', ' ')} | {100 * mild:.1f} % | {100 * hard:.1f} % |"
        for kind, (mild, *_, hard) in worst_first
    )
    return f"""### Model card: `{name}`

`{about.network}` with {parameters:,} parameters, trained on 45,000 of CIFAR-10's training images by
the recipe `{about.recipe}`. The run is `{about.record}` of the ledger.

**For** learning, teaching and comparing, on photographs of 32 x 32 pixels that show one of ten
things: {", ".join(CLASS_NAMES)}.
**Not for** anything else: every other picture gets one of these ten names, too, perhaps with much
confidence. No decision about people should hang on it.

**How good, how sure**, on {images:,} test images, one view each, with intervals of 95 %:

| | |
| --- | --- |
{rows}

The intervals tell what other test images, drawn like these, could have given. They know nothing of
other trainings, nor of photographs from elsewhere. **The test set has flaws**: raters
[rejected](https://arxiv.org/abs/2103.14749) {images - accepted} of its labels, and
{images - unseen} of its images have a [near-duplicate](https://arxiv.org/abs/1902.00423) among the
training images.

**What breaks it**, the worst on average first: accuracy at the mildest and at the strongest of five
severities.

| | mildest | strongest |
| --- | --- | --- |
{broken}

```python
from cifar_utils.evaluation import predict_probabilities
from cifar_utils.pretrained import load_trained
predict_probabilities(load_trained("{name}"), images, temperature={about.temperature:.4g})
```

Code and weights are under the MIT licence; [CIFAR-10](https://www.cs.toronto.edu/~kriz/cifar.html)
states none. People's votes: [CIFAR-10H](https://arxiv.org/abs/1908.07086), CC BY-NC-SA 4.0.
"""


def figure_text(figure: Mapping[str, float], *, percent: bool = True) -> str:
    """A judgement's figure with its interval.

    >>> figure_text({"value": 0.9077, "low": 0.9018, "high": 0.9132})
    '90.8 % (90.2 to 91.3)'
    """
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    if percent:
        return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def read_network(about: Trained, file: Path) -> keras.Model:
    """The network of these weights; ValueError if the file is not as it was written."""
    try:
        written = file.read_bytes()
    except OSError as error:
        raise expected(f"{file.name}, a file of weights", error) from None
    if hashlib.sha256(written).hexdigest() != about.sha256:
        raise expected(
            f"{file.name} as it was written, by its SHA-256", "another file", "Install anew."
        )
    with keras_defaults("float32"):
        model = build_model(about.network, **about.options)
    with np.load(io.BytesIO(written), allow_pickle=False) as weights:
        model.set_weights([weights[key].astype("float32") for key in weights.files])
    return model


def write_network(model: keras.Model, file: Path) -> str:
    """Write a network's weights in half precision; return the SHA-256 of the file."""
    weights = {weight.path: np.asarray(weight, "float16") for weight in model.weights}
    written = io.BytesIO()
    np.savez_compressed(written, **weights)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(written.getvalue())
    return hashlib.sha256(written.getvalue()).hexdigest()
