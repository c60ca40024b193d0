# %% tags=["answer-1"]
def accuracy(named, labels):
    if labels.shape not in {named.shape, (len(named), 1)}:
        raise ValueError(f"labels of shape {labels.shape} for {named.shape} answers")
    return np.mean(named == labels.reshape(-1))


# %% [markdown]
# Simply flattening would not do. Of one-hot labels it makes a row that is ten times too long, and
# a single label would be compared with every answer. So the shape is checked first.


# %% tags=["answer-2"]
def inspect(layer, image):
    copies = np.repeat(image[None], 30, axis=0)
    changes = differs = False
    for _ in range(5):
        shown = np.asarray(layer(copies, training=True))
        changes |= not np.array_equal(shown, copies)
        differs |= bool(np.any(shown != shown[:1]))
    used = np.asarray(layer(copies, training=False))
    return changes, differs, np.array_equal(used, copies)


# %% [markdown]
# Five batches, because a bus can stop where it started. The bus also fails the third question: outside of training, the padding goes
# on, but `RandomCrop` rests, and larger pictures come out. A more careful inspector would also count *how
# many* versions come out, as notebook 03 does.


# %% tags=["answer-3"]
def verdict():
    covered = case.x_val.copy()
    covered[:, 15] = covered[:, 14]
    return "C", np.mean(classes(case.model, covered) == case.y_val)


# %% [markdown]
# Now for the evidence. We hear all three suspects, A first: does the nearest training image of a validation image show
# the same photograph? Twins would be much closer than all the others, so we look at the distances.

# %%
some = case.x_val[:200].astype("float32").reshape(200, -1)
known = case.x_train.astype("float32").reshape(len(case.x_train), -1)
nearest = [np.square(known - one).mean(axis=1).min() ** 0.5 for one in some]
print(f"to the nearest training image: at least {min(nearest):.1f} levels a pixel")
print("validation images of each class:", np.bincount(case.y_val, minlength=10))

# %% [markdown]
# Nobody comes close, so there are no twins. And the classes are balanced, so the exam is not easy. Now C. If something gives a class away, it
# must be in many images of that class, always at the same place. Then it survives in their mean:

# %% alt="Mean images of the ten classes: blurs, and in each a bright dot on the lower edge, further to the right from class to class."
means = [case.x_train[case.y_train == label].mean(axis=0) for label in range(10)]
ax = plot_images(np.round(means).astype("uint8"), columns=10, data_name=data.name)

# %% [markdown]
# There it is: a dot on the lower edge, one place further to the right for each class. In a single image you would hardly
# notice it. The network found it at once, and why should it learn what a cat is, when the dot says so? The answer covers the
# lower edge by the row above it, and asks again.

# %%
with_dot = np.mean(classes(case.model, case.x_val) == case.y_val)
print(f"with the dot {with_dot:.1%}, without {verdict()[1]:.1%}, on {data.name}")

# %% [markdown]
# The network has learnt to read the dot, and little besides. No split helps against that, since training and validation images have both been
# arranged. It happens in earnest: a famous classifier recognised horses by
# [a copyright notice in the corner](https://arxiv.org/abs/1902.10178), others recognise pneumonia by
# [the hospital's mark on the X-ray](https://arxiv.org/abs/1807.00431). **First test: the mean image of each class, and an
# exam from elsewhere.**
