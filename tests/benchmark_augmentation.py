"""Random crop and flip: images a second of PadCropFlip against ImageDataGenerator.

Run with ``python tests/benchmark_augmentation.py``. Both shift by up to four pixels and
flip, in batches of 128; the two take turns, and the ratio is given with its spread.
"""

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cifar_utils import quiet_stderr

with quiet_stderr():
    import numpy as np
    import tensorflow as tf
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from cifar_utils.augmentation import PadCropFlip

    tf.config.list_physical_devices()

BATCH, BATCHES, ROUNDS = 128, 20, 9


def main() -> None:
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8)
    generator = ImageDataGenerator(
        width_shift_range=4, height_shift_range=4, horizontal_flip=True, fill_mode="reflect"
    )
    stream = generator.flow(images, batch_size=BATCH)
    layer, batch = PadCropFlip(4), tf.constant(images)
    graph = tf.function(lambda x: layer(x, training=True))
    contestants = {
        "PadCropFlip": lambda: graph(batch).numpy(),
        "ImageDataGenerator": lambda: next(stream),
    }
    speeds = {name: [] for name in contestants}
    for round_ in range(ROUNDS + 1):  # the first one warms up
        for name, step in contestants.items():
            start = time.perf_counter()
            for _ in range(BATCHES):
                step()
            if round_:
                speeds[name].append(BATCH * BATCHES / (time.perf_counter() - start))
    for name, values in speeds.items():
        print(f"{name}: {statistics.median(values):,.0f} images/s")
    ratios = [a / b for a, b in zip(*speeds.values(), strict=True)]
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"ratio {middle:.1f}, from {low:.1f} to {high:.1f} over {ROUNDS} rounds")


if __name__ == "__main__":
    main()
