"""What Keras' own optimisers and schedules lack."""

import keras
from keras import ops


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

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        self.rates = [self.offset_rate if v.name == "beta" else 1.0 for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        tensor = ops.convert_to_tensor  # for where(), which takes no variables on JAX
        index = self._get_variable_index(variable)
        kept_slow, learning_rate = self.slow[index], self.rates[index] * learning_rate
        # Not in build(): within a graph, what that assigns is lost.
        slow = ops.where(self.iterations == 0, tensor(variable), tensor(kept_slow))
        super().update_step(gradient, variable, learning_rate)
        step = self.iterations + 1
        due = step % self.every == 0
        progress = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        kept = ops.cast(self.hold * progress**3, variable.dtype)
        average = kept * slow + (1 - kept) * variable
        self.assign(kept_slow, ops.where(due, average, slow))
        self.assign(variable, ops.where(due, average, tensor(variable)))

    def get_config(self):
        own = ("steps", "every", "hold", "offset_rate")
        return super().get_config() | {name: getattr(self, name) for name in own}
