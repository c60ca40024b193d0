"""What Keras' own optimisers and schedules lack."""

import keras
from keras import ops

from cifar_utils.checks import check_number

SPARED = ("bias", "gamma", "beta")  # by weight decay


@keras.saving.register_keras_serializable("cifar_utils")
class LinearRise(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then another schedule.

    Parameters
    ----------
    start : float
        The rate of the first step.
    steps : int
        Of the warm-up, which ends at the other schedule's first rate.
    after : keras.optimizers.schedules.LearningRateSchedule
        Its step 0 is the step after the warm-up.
    """

    def __init__(self, start: float, steps: int, after):
        self.start, self.steps, self.after = start, steps, after

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        share = keras.ops.minimum(step / self.steps, 1.0)
        peak = self.after(keras.ops.maximum(step - self.steps, 0.0))
        return self.start + share * (peak - self.start)

    def get_config(self):
        after = keras.saving.serialize_keras_object(self.after)
        return {"start": self.start, "steps": self.steps, "after": after}

    @classmethod
    def from_config(cls, config):
        return cls(**config | {"after": keras.saving.deserialize_keras_object(config["after"])})


@keras.saving.register_keras_serializable("cifar_utils")
class LookaheadSGD(keras.optimizers.SGD):
    """SGD that returns, every few steps, to a slow average of its weights.

    Every ``every`` steps the slow weights move part of the way to the present ones, and
    the training goes on from there. How far they stay behind grows with the cube of the
    training's progress, from nothing to ``hold``: early on this is SGD, at the end an
    average over many steps.

    Parameters
    ----------
    learning_rate, **kwargs
        As for ``keras.optimizers.SGD``.
    steps : int
        Of the whole training; in further ones, the share stays as it is at its end.
    every : int
        Steps from one average to the next.
    hold : float
        Share of the slow weights that is kept at the end, 0 to 1. The source's 0.95⁵.
        With 0 this is SGD.
    offset_rate : float
        How many times faster the offsets of normalisation layers, their ``beta``, learn.
    whitening_rate, whitening_steps : float, int
        The rate of the bias of a layer named ``whitening_conv``, and in how many steps it falls
        linearly to 0; without steps, this bias learns like others.

    Raises
    ------
    ValueError
        If a number of steps is below 1, the share not from 0 to 1, or the offsets' rate not
        above 0.

    Notes
    -----
    Unlike in the source, the moving statistics of batch normalisation are not averaged: they
    are averages already.

    References
    ----------
    M. Zhang et al., "Lookahead Optimizer: k Steps Forward, 1 Step Back", 2019,
    arXiv:1907.08610. The growing share and the faster offsets are those of K. Jordan,
    arXiv:2404.00498.
    """

    def __init__(
        self,
        learning_rate,
        *,
        steps: int,
        every: int = 5,
        hold: float = 0.77,
        offset_rate: float = 1.0,
        whitening_rate: float = 0.0,
        whitening_steps: int = 0,
        **kwargs,
    ):
        if steps < 1 or every < 1 or not 0 <= hold <= 1 or not offset_rate > 0:
            raise ValueError(
                "Expected steps and every of 1 at least, hold from 0 to 1, and offset_rate above "
                f"0. Received: {steps!r}, {every!r}, {hold!r} and {offset_rate!r}."
            )
        super().__init__(learning_rate, **kwargs)
        self.steps, self.every, self.hold = steps, every, hold
        self.offset_rate = offset_rate
        self.whitening_rate, self.whitening_steps = whitening_rate, whitening_steps

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        self.rates = [self.offset_rate if v.name == "beta" else 1.0 for v in variables]
        self.whitening = [self.whitening_steps and "whitening_conv" in v.path for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        tensor = ops.convert_to_tensor  # for where(), which takes no variables on JAX
        index = self._get_variable_index(variable)
        kept_slow = self.slow[index]
        # Not in build(): within a graph, what that assigns is lost.
        slow = ops.where(self.iterations == 0, tensor(variable), tensor(kept_slow))
        if self.whitening[index]:
            left = 1 - ops.cast(self.iterations, "float32") / self.whitening_steps
            learning_rate = self.whitening_rate * ops.maximum(left, 0.0)
        self.move(gradient, variable, self.rates[index] * learning_rate)
        step = self.iterations + 1
        due = step % self.every == 0
        progress = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        kept = ops.cast(self.hold * progress**3, variable.dtype)
        average = kept * slow + (1 - kept) * variable
        self.assign(kept_slow, ops.where(due, average, slow))
        self.assign(variable, ops.where(due, average, tensor(variable)))

    def move(self, gradient, variable, learning_rate):
        """What the optimiser would do to a variable without looking ahead."""
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        own = ("steps", "every", "hold", "offset_rate", "whitening_rate", "whitening_steps")
        return super().get_config() | {name: getattr(self, name) for name in own}


@keras.saving.register_keras_serializable("cifar_utils")
class Muon(LookaheadSGD):
    """Steps of equal size in all directions, for convolutions. Taught in notebook 05.

    A kernel is a matrix that turns windows into features. Its gradient is strong in a few
    directions and weak in most. Muon takes the step of momentum SGD and makes all its
    singular values nearly equal, so that the weak directions learn as fast as the strong ones.
    Before each step it also sets the kernel's norm to the root of the number of filters.

    Everything else, biases, normalisation, dense layers and a first convolution, which sees no
    more than four channels, is left to SGD with Nesterov momentum; weight decay is for the
    other kernels. Keras' own ``Muon`` leaves convolutions to AdamW.

    Parameters
    ----------
    learning_rate, steps, every, hold, offset_rate, **kwargs
        As for :class:`LookaheadSGD`.
    kernel_rate : float
        How many times the learning rate the kernels of convolutions take.
    kernel_momentum : float
        Theirs, 0 to below 1.

    Raises
    ------
    ValueError
        If one is out of its range.

    References
    ----------
    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon. The norm is that of K. Jordan's airbench94_muon.
    """

    def __init__(
        self, learning_rate, *, kernel_rate: float = 0.2, kernel_momentum: float = 0.6, **kwargs
    ):
        super().__init__(learning_rate, **{"momentum": 0.85, "nesterov": True} | kwargs)
        self.kernel_rate = check_number("kernel_rate", kernel_rate, 0, 1e6, inside="(]")
        self.kernel_momentum = check_number("kernel_momentum", kernel_momentum, inside="[)")

    def build(self, variables):
        if self.built:
            return
        # By number, as what an update is given is the backend's variable.
        self.kernels = [len(v.shape) == 4 and v.shape[2] > 4 for v in variables]
        # Of these kernels the norm is given; and offsets are spared, as usual.
        pairs = zip(variables, self.kernels, strict=True)
        spared = [v for v, kernel in pairs if kernel or v.name in SPARED]
        self.exclude_from_weight_decay(var_list=spared)
        super().build(variables)

    def move(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        if not self.kernels[index]:
            super().move(gradient, variable, learning_rate)
            return
        kept, m = self.momentums[index], self.kernel_momentum
        gradient = ops.cast(gradient, "float32")
        momentum = m * ops.cast(kept, "float32") + gradient
        self.assign(kept, ops.cast(momentum, kept.dtype))
        *_, filters = variable.shape
        step = orthogonalized(ops.reshape(gradient + m * momentum, (-1, filters)))
        kernel = ops.cast(variable, "float32")
        kernel = kernel * filters**0.5 / ops.sqrt(ops.sum(kernel**2))
        rate = ops.cast(self.kernel_rate * learning_rate, "float32")
        moved = kernel - rate * ops.reshape(step, variable.shape)
        self.assign(variable, ops.cast(moved, variable.dtype))

    def get_config(self):
        own = ("kernel_rate", "kernel_momentum")
        return super().get_config() | {name: getattr(self, name) for name in own}


def orthogonalized(matrix, iterations: int = 3):
    """A matrix with the same singular vectors, and singular values near 1.

    By the Newton-Schulz iteration, which needs products of matrices alone: an odd polynomial
    of fifth degree, applied again and again, brings all values from 0 to 1 near 1. Three times
    are not enough to get there, and enough to train.

    Parameters
    ----------
    matrix : tensor of float, shape (rows, columns)
    iterations : int

    Returns
    -------
    tensor of the same shape

    Examples
    --------
    >>> import numpy as np
    >>> matrix = np.random.default_rng(0).normal(size=(30, 20)).astype("float32")
    >>> values = np.linalg.svd(orthogonalized(matrix, 5), compute_uv=False)
    >>> bool(values.min() > 0.5 and values.max() < 1.3)
    True
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # K. Jordan's: steep at 0, and within 0.7 to 1.2 at the end
    rows, columns = matrix.shape
    x = matrix / (ops.sqrt(ops.sum(matrix**2)) + 1e-7)
    x = ops.transpose(x) if rows > columns else x  # so that the products are small
    for _ in range(iterations):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.transpose(x) if rows > columns else x
