# %% tags=["answer-1"]
def separable_operations(side, window, channels, filters):
    apart = 2 * side**2 * window**2 * channels
    mixing = 2 * side**2 * channels * filters
    return apart + mixing


# %% [markdown]
# An ordinary convolution multiplies the two kernels' sizes; this one adds them. How much does that
# save?

# %%
for channels in (32, 128):
    ordinary = 2 * 16**2 * 3**2 * channels * channels
    share = separable_operations(16, 3, channels, channels) / ordinary
    print(f"{channels} channels: {share:.0%} of an ordinary convolution's operations")

# %% [markdown]
# Section 3 says why the time doesn't fall as much: the first of the two parts is memory-bound.


# %% tags=["answer-2"]
def wait_after(seconds):
    awake, nap = 0.0, 0.01
    while awake < seconds:
        awake += nap
        nap = min(2 * nap, 60)
    return awake - seconds


# %% alt="Seconds of waiting over the length of an epoch: a saw whose teeth grow."
lengths = np.linspace(1, 100, 2_000)
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(lengths, [wait_after(seconds) for seconds in lengths], color="#D55E00")
ax.set(xlabel="seconds that the steps of an epoch take", ylabel="seconds of waiting")
label_source(ax, data.name)

# %% [markdown]
# A saw. Unlucky are the epochs that end just after a tooth's tip, a little over 5, 10, 20, 41 or 82
# seconds: they wait nearly as long again as they have worked, at the last one for a minute. A
# training that was made a little slower, or a little faster, can jump from one tooth to the next.


# %% tags=["answer-3"]
from cifar_utils.data import channel_statistics
from cifar_utils.fast import whitening


def lean_network():
    """Narrower, but with a first layer that need not learn."""
    options = {"widths": (22, 92, 92), "activation": "silu"}
    statistics = channel_statistics(data.x_train)
    network = build_model("fast_cnn", statistics=statistics, **options)
    whitening.initialize(network, data.x_train)  # and freezes the first layer
    return network


# %%
rivals = {
    "fast_cnn": lambda: build_model("fast_cnn"),
    "narrower": lambda: build_model("fast_cnn", widths=(20, 88, 88)),
    "lean": lean_network,
}
for name, build in rivals.items():
    needed = sum(millions_a_step(build()).values())
    print(
        f"{name:8} {needed:3.0f} million operations, {judge(build):.1%} on {data.name}"
    )

# %% [markdown]
# Half of the operations, and it keeps up with `fast_cnn`, or nearly so. Three things do it, and none of
# them costs an operation by our count. The filters of the first layer are taken from the images
# themselves (notebook 05), so it need not learn. As it need not learn, no gradient has to go back to it
# through the second convolution, which is one of the large ones; what that saves buys wider stages. And
# its inputs are z-scores, and its activation is SiLU, which learns a little better than ReLU. One run
# each, so don't read anything into half a point.
#
# What we tried and left: pooling *before* the first convolution of each stage instead of behind it. That
# moves a single line, keeps all shapes and saves more than half of the operations. But it also throws
# away detail before anything has looked at it, and lost more than making every stage narrower.
