"""Keras layers that the networks of the series need and Keras itself lacks."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("cifar_utils")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of feature maps in one kernel instead of several.

    Keras composes batch normalisation of elementary operations, each of which reads
    and writes the whole map. TensorFlow has one kernel for all of it, which this layer
    calls. Weights, outputs, gradients, moving statistics and arguments are those of
    ``keras.layers.BatchNormalization``, up to rounding; the statistics are computed in
    float32 under every precision. Inputs that are not of shape (n, height, width,
    channels), masks, synchronised or renormalised statistics, float64 and other backends
    than TensorFlow are left to the parent class.

    Parameters
    ----------
    offset_rate : float
        How many times faster the offset learns under SGD than other weights do: it is
        stored divided by the square root of this. 1 is Keras' behaviour.
    **kwargs
        As for ``keras.layers.BatchNormalization``.

    Raises
    ------
    ValueError
        If ``offset_rate`` is not above 0.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization", 2015, arXiv:1502.03167.
    K. Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024,
    arXiv:2404.00498, section 3.4 (the faster offset).

    Examples
    --------
    >>> layer = FusedBatchNormalization(momentum=0.9)
    >>> maps = keras.random.normal((8, 4, 4, 3), mean=5.0, seed=0)
    >>> abs(float(ops.mean(layer(maps, training=True)))) < 1e-5
    True
    """

    def __init__(self, *, offset_rate: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not offset_rate > 0:
            raise ValueError(f"Expected offset_rate above 0. Received: {offset_rate!r}.")
        self.offset_rate = offset_rate

    def get_config(self):
        return super().get_config() | {"offset_rate": self.offset_rate}

    def call(self, inputs, training=None, mask=None):
        stretch = self.offset_rate**0.5
        maps = len(inputs.shape) == 4 and self.axis in (-1, 3)
        if (
            keras.backend.backend() != "tensorflow"
            or not maps
            or self.synchronized
            or getattr(self, "renorm", False)
            or mask is not None
            or self.compute_dtype == "float64"
        ):
            outputs = super().call(inputs, training=training, mask=mask)
            if stretch != 1 and self.center:
                shape = [1] * len(inputs.shape)
                shape[self.axis] = -1
                beta = ops.reshape(ops.cast(self.beta, outputs.dtype), shape)
                outputs += (stretch - 1) * beta
            return outputs
        import tensorflow as tf

        learn = bool(training) and self.trainable
        channels = inputs.shape[-1]
        x = ops.cast(inputs, self.compute_dtype)
        scale = ops.cast(self.gamma, "float32") if self.scale else tf.ones(channels)
        offset = stretch * ops.cast(self.beta, "float32") if self.center else tf.zeros(channels)
        # In training the kernel takes the batch's own statistics, and wants none.
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


# Measured on an Intel Xeon with bfloat16 units: it gains on sides of up to 8 places, hardly on
# 10, and loses on larger ones.
LARGEST = 8


@keras.saving.register_keras_serializable("cifar_utils")
class SmallMapConv2D(keras.layers.Conv2D):
    """A convolution that trains faster on small maps, in bfloat16 on a processor.

    There the gradient of the kernel takes several times as long as the convolution itself,
    though it is as much work. Here it is computed by a convolution, too, in which images and
    channels change places. Outputs, gradients, weights and arguments are those of
    ``keras.layers.Conv2D``, up to rounding. Maps with a side of more than 8 places or of
    unknown size, strides, dilation, groups, padding other than ``"same"``, channels first,
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

    def convolution_op(self, inputs, kernel):
        pays = (
            keras.backend.backend() == "tensorflow"
            and self.compute_dtype == "bfloat16"
            and (self.padding, self.data_format, self.groups) == ("same", "channels_last", 1)
            and set(self.strides) == set(self.dilation_rate) == {1}
            and all(side % 2 for side in self.kernel_size)
            and None not in inputs.shape[1:]
            and max(inputs.shape[1:3]) <= LARGEST
        )
        if pays:
            import tensorflow as tf

            pays = {device.device_type for device in tf.config.list_physical_devices()} == {"CPU"}
        if not pays:
            return super().convolution_op(inputs, kernel)
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


def with_stock_layers(model: keras.Model, *, keep: tuple[type, ...] = ()) -> keras.Model:
    """A copy of a network with layers of Keras alone, and new initial weights.

    Parameters
    ----------
    model : keras.Model
        Functional.
    keep : tuple of types
        Layers of this module that stay as they are.

    Returns
    -------
    keras.Model
    """

    twins = {
        SmallMapConv2D: keras.layers.Conv2D,
        FusedBatchNormalization: keras.layers.BatchNormalization,
    }

    def stock(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind, config = type(layer), layer.get_config()
        if kind not in keep:
            kind = twins.get(kind, kind)
        if kind is keras.layers.BatchNormalization:
            config.pop("offset_rate", None)
        return kind.from_config(config)

    return keras.models.clone_model(model, clone_function=stock)
