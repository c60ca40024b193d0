"""Records are written whole, read back, and distrusted when changed."""

import pytest

from cifar_utils.experiments.ledger import (
    FIELDS,
    LedgerError,
    read_records,
    write_record,
)


@pytest.fixture
def record():
    fields = {field: 0.5 for field in FIELDS["train"] if field != "date"}
    return fields | {"kind": "train", "recipe": "valid_cnn", "seed": 3}


def test_record_is_read_as_it_was_written(tmp_path, record):
    path = write_record(record | {"history": {"loss": [0.1, 1 / 3]}}, tmp_path / "results")
    (found,) = read_records(tmp_path / "results")
    assert record | {"history": {"loss": [0.1, 1 / 3]}} == {
        key: value for key, value in found.items() if key not in ("date", "checksum")
    }
    assert path.name.startswith("train-valid_cnn-seed3-")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_records_are_chosen_by_their_fields(tmp_path, record):
    for seed in (2, 0, 1):
        write_record(record | {"seed": seed}, tmp_path)
    assert [r["seed"] for r in read_records(tmp_path)] == [0, 1, 2]
    assert [r["seed"] for r in read_records(tmp_path, kind="train", seed=1)] == [1]
    assert read_records(tmp_path, kind="bench") == []


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace("0.5", "0.6", 1), lambda text: text[:-20], lambda text: "[]",
     lambda text: text.replace('"test_nll"', '"test_mll"'), lambda text: ""],
    ids=["digit", "cut short", "no object", "field", "empty"],
)  # fmt: skip
def test_changed_record_is_reported_by_name(tmp_path, record, change):
    path = write_record(record, tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(LedgerError, match=path.name):
        read_records(tmp_path)


def test_record_without_a_field_is_not_written(tmp_path, record):
    del record["test_ece"]
    with pytest.raises(LedgerError, match="Received: kind 'train' without test_ece"):
        write_record(record, tmp_path)
    with pytest.raises(LedgerError, match="Received: kind 'guess'"):
        write_record({"kind": "guess"}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_no_record(tmp_path, record):
    with pytest.raises(TypeError):
        write_record(record | {"model": object()}, tmp_path)
    assert read_records(tmp_path) == []


def test_record_with_numbers_for_keys_can_be_read_back(tmp_path, record):
    write_record(record | {"seconds_at_side": {8: 1.0, 16: 2.0}}, tmp_path)
    (found,) = read_records(tmp_path)
    assert found["seconds_at_side"] == {"8": 1.0, "16": 2.0}
