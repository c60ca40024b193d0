"""Faster twins of Keras' layers, and the exchange of one for the other: ``accelerate``."""

from collections.abc import Mapping

import keras
from keras import ops


@keras.saving.register_keras_serializable("cifar_utils")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of feature maps in one kernel instead of several.

    Keras builds batch normalisation from elementary operations, each of which reads
    and writes the whole map. TensorFlow has one kernel for all of it, which this layer
    calls. Weights, outputs, gradients, moving statistics and arguments are those of
    ``keras.layers.BatchNormalization``, up to rounding; the statistics are computed in
    float32 under every precision. Inputs that are not of shape (n, height, width,
    channels), masks, synchronised or renormalised statistics, float64 and other backends
    than TensorFlow are left to the parent class.

    Parameters
    ----------
    **kwargs
        As for ``keras.layers.BatchNormalization``.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization", 2015, arXiv:1502.03167.

    Examples
    --------
    >>> layer = FusedBatchNormalization(momentum=0.9)
    >>> maps = keras.random.normal((8, 4, 4, 3), mean=5.0, seed=0)
    >>> abs(float(ops.mean(layer(maps, training=True)))) < 1e-5
    True
    """

    @staticmethod
    def pays_for(layer: keras.layers.BatchNormalization) -> bool:
        """Whether this twin gains anything for a layer of Keras."""
        return (
            keras.backend.backend() == "tensorflow"
            and layer.input_spec.ndim == 4
            and layer.axis in (-1, 3)
            and not layer.synchronized
            and not getattr(layer, "renorm", False)
            and layer.compute_dtype != "float64"
        )

    def call(self, inputs, training=None, mask=None):
        if mask is not None or not self.pays_for(self):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        learn = bool(training) and self.trainable
        channels = inputs.shape[-1]
        x = ops.cast(inputs, self.compute_dtype)
        scale = ops.cast(self.gamma, "float32") if self.scale else tf.ones(channels)
        offset = ops.cast(self.beta, "float32") if self.center else tf.zeros(channels)
        # In training the kernel computes the statistics itself, and must be given none.
        known = (self.moving_mean, self.moving_variance)
        mean, variance = (tf.zeros([0]),) * 2 if learn else (ops.cast(m, "float32") for m in known)
        outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=learn,
        )
        if learn:
            # The kernel divides by n - 1 for the moving variance, Keras by n.
            n = ops.cast(ops.size(x) // channels, "float32")
            batch_variance *= (n - 1) / n
            for moving, now in zip(known, (batch_mean, batch_variance), strict=True):
                now = ops.cast(now, moving.dtype)
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


# Pixels a side. Measured on an Intel Xeon with bfloat16 units: it gains on maps of up to 8 x 8,
# hardly on 10 x 10, and loses on larger ones.
LARGEST = 8


@keras.saving.register_keras_serializable("cifar_utils")
class SmallMapConv2D(keras.layers.Conv2D):
    """A convolution that trains faster on small maps, in bfloat16 on a processor.

    In bfloat16 on a processor, the gradient of the kernel takes several times as long as the
    convolution itself, though it is as much work. This layer computes it by a convolution,
    too, in which images and channels change places. Outputs, gradients, weights and arguments
    are those of ``keras.layers.Conv2D``, up to rounding. Maps of more than 8 pixels a side or
    of unknown size, strides, dilation, groups, padding other than ``"same"``, channels first,
    even windows, other precisions, machines with an accelerator and other backends are left
    to the parent class.

    Parameters
    ----------
    *args, **kwargs
        As for ``keras.layers.Conv2D``.

    Examples
    --------
    >>> maps = keras.random.normal((2, 4, 4, 100), seed=0)
    >>> SmallMapConv2D(80, 3, padding="same", dtype="mixed_bfloat16")(maps).shape
    TensorShape([2, 4, 4, 80])
    """

    @staticmethod
    def pays_for(layer: keras.layers.Conv2D) -> bool:
        """Whether this twin gains anything for a layer of Keras, on maps that are small."""
        if (
            keras.backend.backend() != "tensorflow"
            or layer.compute_dtype != "bfloat16"
            or (layer.padding, layer.data_format, layer.groups) != ("same", "channels_last", 1)
            or set(layer.strides) != {1}
            or set(layer.dilation_rate) != {1}
            or not all(side % 2 for side in layer.kernel_size)
            or layer.lora_enabled
        ):
            return False
        import tensorflow as tf

        return {device.device_type for device in tf.config.list_physical_devices()} == {"CPU"}

    def convolution_op(self, inputs, kernel):
        sides = inputs.shape[1:3]
        if None in sides or max(sides) > LARGEST or not self.pays_for(self):
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        convolve = tf.custom_gradient(self._convolve)
        return convolve(tf.cast(inputs, "bfloat16"), tf.cast(kernel, "bfloat16"))

    @staticmethod
    def _convolve(maps, kernel):
        """A convolution, and what gives its gradients, for ``tf.custom_gradient``."""
        import tensorflow as tf

        options = {"strides": [1] * 4, "padding": "SAME"}

        def gradients(upstream):
            of_maps = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(maps), filter=kernel, out_backprop=upstream, **options
            )
            # The maps, height x width x channels, have the images for channels; the upstream
            # gradients are a window as large as a map, which finds room at each of the
            # kernel's places. Of three dimensions, the channels are the third.
            margins = [[side // 2, side // 2] for side in kernel.shape[:2]]
            padded = tf.pad(tf.transpose(maps, [1, 2, 3, 0]), [*margins, [0, 0], [0, 0]])
            window = tf.transpose(upstream, [1, 2, 0, 3])
            of_kernel = tf.nn.conv3d(padded[None], window[:, :, None], [1] * 5, "VALID")[0]
            return of_maps, of_kernel

        return tf.nn.conv2d(maps, kernel, **options), gradients


TWINS: Mapping[type, type] = {
    keras.layers.BatchNormalization: FusedBatchNormalization,
    keras.layers.Conv2D: SmallMapConv2D,
}


def accelerate(model: keras.Model, twins: Mapping[type, type] = TWINS) -> keras.Model:
    """A twin of a model that trains faster, and shares its weights. Taught in notebook 06.

    Slow layers are exchanged for faster ones with equal outputs, gradients and statistics,
    up to rounding; all others are in both models. Train the twin, and the model has
    learned. The model itself stays as it was: made of Keras' own layers, and to be saved
    and loaded without this package. So save the model, not the twin, and take feature maps
    from it; quantise it, or enable LoRA, before you accelerate it.

    Parameters
    ----------
    model : keras.Model
        Any functional or sequential one, also with such models inside.
    twins : mapping of type to type
        Which layers are exchanged, and for what. A twin's type has a function ``pays_for``,
        which says of a layer whether anything is gained; else the layer is left alone, and so
        is one whose type only inherits from these.

    Returns
    -------
    keras.Model
        Uncompiled. Its ``exchanged`` says what was exchanged: a dict of the layers' names
        (``outer/inner`` in a model inside) to those of their twins' types. It is empty where
        nothing is gained, as on other backends than TensorFlow. (A convolution's twin is
        faster on small maps; on others it is Keras'.)

    Raises
    ------
    ValueError
        If the model is not built, or of a class of your own, whose ``call`` or ``train_step``
        a twin would lose.

    Examples
    --------
    >>> norm = keras.layers.BatchNormalization(name="norm")
    >>> accelerate(keras.Sequential([keras.Input((8, 8, 3)), norm])).exchanged
    {'norm': 'FusedBatchNormalization'}
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"Expected a built Keras model. Received: {model!r}.")
    if not type(model).__module__.startswith("keras."):
        raise ValueError(
            "Expected a functional or sequential model, whose layers can be exchanged. "
            f"Received: {type(model).__name__}."
        )
    known, exchanged = {}, {}

    def twin_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        if id(layer) not in known:  # it may be called in several places
            known[id(layer)] = exchange(layer)
        return known[id(layer)]

    def exchange(layer):
        if isinstance(layer, keras.Model):
            try:
                inner = accelerate(layer, twins)
            except ValueError:  # a subclass stays as it is
                return layer
            exchanged.update({f"{layer.name}/{k}": v for k, v in inner.exchanged.items()})
            return inner if inner.exchanged else layer
        kind = twins.get(type(layer))
        if kind is None or not kind.pays_for(layer):
            return layer
        exchanged[layer.name] = kind.__name__
        return _with_shared_weights(kind, layer)

    def same_input(tensor):
        """By default a clone's inputs have other names."""
        layer = tensor._keras_history.operation
        options = {"name": layer.name, "sparse": layer.sparse, "optional": layer.optional}
        return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, **options)

    given = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    inputs = keras.tree.map_structure(same_input, given)
    compiled, model.compiled = model.compiled, False  # else Keras compiles the clone anew
    try:
        twin = keras.models.clone_model(model, inputs, clone_function=twin_of)
    finally:
        model.compiled = compiled
    if not model.trainable:  # to freeze a model freezes its layers; some may have been thawed
        inner = [(layer, layer.trainable) for layer in twin._flatten_layers(include_self=False)]
        twin.trainable = False
        for layer, was in inner:  # those that hold others come before these
            layer.trainable = was
    twin.exchanged = exchanged
    return twin


def _with_shared_weights(kind: type, layer: keras.layers.Layer) -> keras.layers.Layer:
    """A layer of another type with the settings, and the very variables, of this one."""
    # Keras sorts variables by whether they are trainable.
    trainable, layer.trainable = layer.trainable, True
    try:
        theirs = {variable.name: variable for variable in layer.variables}
        twin = kind.from_config(layer.get_config())
        twin.add_weight = lambda *_, name, **__: theirs[name]
        twin.build(layer.get_build_config()["input_shape"])
        del twin.add_weight
        twin.trainable = trainable
    finally:
        layer.trainable = trainable
    return twin
