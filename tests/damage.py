"""Random damage to a file, for property-based tests."""

from hypothesis import strategies as st


@st.composite
def damage(draw):
    """A function that changes some bytes of a file: overwrites, removes or inserts them."""
    spots = draw(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), max_size=4))
    kind = draw(st.sampled_from(["overwrite", "insert", "remove"]))

    def apply(content: bytes) -> bytes:
        for share, new in spots:
            place = int(share**4 * len(content))  # most of them where the pickle's frame is
            end = place if kind == "insert" else place + max(1, len(new))
            content = content[:place] + (b"" if kind == "remove" else new) + content[end:]
        return content

    return apply
