"""Histories of other tools: the files they really wrote, and what people make of files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import histories
from support.made_up import epochs
from unfreeze.diagnosis.diagnose import diagnose
from unfreeze.diagnosis.foreign.names import guess_columns
from unfreeze.diagnosis.foreign.table import Table, read_table
from unfreeze.errors import RecipeError, RunError, UnfreezeError
from unfreeze.training.history import write_history
from unfreeze.training.loop import NOT_FINITE


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str | bytes, name: str = "history.csv", **options: object) -> Table:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, **options)

    return read_text


def rounded(table: Table, what: str) -> list[list[float | None]]:
    """A curve by phase, in three decimals; None where it isn't known."""
    curves = [getattr(phase, what) for phase in table.evidence.phases]
    return [[None if math.isnan(value) else round(float(value), 3) for value in curve] for curve in curves]


def numbers(table: Table) -> list[list[int]]:
    return [phase.epochs.tolist() for phase in table.evidence.phases]


def test_keras_counts_from_0_and_a_second_fit_begins_anew(read):
    table = read(histories.KERAS)
    assert table.columns == {
        "epoch": "epoch",
        "train_loss": "loss",
        "train_accuracy": "accuracy",
        "val_loss": "val_loss",
        "val_accuracy": "val_accuracy",
    }
    assert numbers(table) == [[1, 2, 3, 4, 5], [6, 7, 8]]
    assert [phase.name for phase in table.evidence.phases] == ["training 1", "training 2"]
    assert rounded(table, "train_loss") == [[1.11, 0.896, 0.774, 0.687, 0.614], [0.547, 0.485, 0.429]]
    assert rounded(table, "train_accuracy")[1] == [0.75, 0.781, 0.875]
    assert rounded(table, "val_loss")[1] == [0.836, 0.786, 0.742]
    assert rounded(table, "val_accuracy")[0] == [0.562, 0.469, 0.406, 0.406, 0.438]
    assert rounded(table, "rate") == [[None] * 5, [None] * 3]
    assert table.evidence.best_epoch == 8
    assert any("2 trainings of one network are assumed, the later ones from epoch 6 on" in one for one in table.remarks)
    assert (table.evidence.plan, table.evidence.classes, table.evidence.val_pictures) == (None, (), None)


def test_semicolons_and_an_accuracy_among_the_first_two_beside_the_one_meant(read):
    table = read(histories.KERAS_SEMICOLON)
    assert table.columns["val_accuracy"] == "val_sparse_categorical_accuracy"
    assert rounded(table, "val_accuracy") == [[0.375, 0.438, 0.438]]
    assert rounded(table, "train_accuracy") == [[0.375, 0.578, 0.672]]
    assert table.unused == ("sparse_top_k_categorical_accuracy", "val_sparse_top_k_categorical_accuracy")


def test_learning_rates_of_keras(read):
    table = read(histories.KERAS_RATE)
    assert table.evidence.last.rate == pytest.approx([5e-4, 2.5e-4, 1.25e-4])


def test_a_loss_that_stays_nan_ends_the_training_before_it(read):
    table = read(histories.KERAS_NAN)
    assert numbers(table) == [[1]]
    assert table.evidence.endings == (NOT_FINITE,)
    assert rounded(table, "val_loss") == [[None]]
    assert table.evidence.best_epoch == 1  # by accuracy, as no validation loss is a number
    assert any("NaN or infinite from epoch 2 on" in remark for remark in table.remarks)
    (found,) = (finding for finding in diagnose(table.evidence) if finding.code == "not-finite")
    assert (found.outcome, found.epoch) == ("found", 1)


def test_a_loss_that_is_nan_from_the_start_leaves_no_epoch(read):
    table = read("epoch,loss,val_loss\n0,nan,nan\n1,nan,nan\n")
    assert (table.evidence.phases, table.evidence.endings) == ((), (NOT_FINITE,))
    assert [finding.code for finding in diagnose(table.evidence)] == ["not-finite"]


def test_a_loss_that_is_infinite_for_one_epoch_only_is_not_known_there(read):
    table = read("epoch,loss,val_loss\n1,0.9,0.8\n2,inf,0.7\n3,0.5,nan\n")
    assert rounded(table, "train_loss") == [[0.9, None, 0.5]]
    assert rounded(table, "val_loss") == [[0.8, 0.7, None]]
    assert (table.evidence.endings, table.evidence.best_epoch) == (("",), 2)
    assert "a loss is NaN or infinite in epoch 2, 3" in table.remarks


def test_epochs_that_were_not_validated(read):
    table = read(histories.KERAS_EVERY_OTHER)
    assert rounded(table, "val_loss") == [[None, 0.949, None, 0.82]]
    assert rounded(table, "train_loss") == [[1.069, 0.851, 0.715, 0.623]]
    assert table.evidence.best_epoch == 4
    diagnose(table.evidence)


def test_of_two_outputs_neither_is_chosen_until_said(read):
    table = read(histories.KERAS_TWO_OUTPUTS)
    assert set(table.columns) == {"epoch", "train_loss", "val_loss"}
    assert any('say --columns "val_accuracy=val_colour_accuracy"' in remark for remark in table.remarks)
    said = {"train_accuracy": "species_accuracy", "val_accuracy": "val_species_accuracy"}
    table = read(histories.KERAS_TWO_OUTPUTS, columns=said)
    assert rounded(table, "val_accuracy") == [[0.406, 0.406]]
    assert not any("could each" in remark for remark in table.remarks)


def test_lightning_writes_several_rows_an_epoch(read):
    table = read(histories.LIGHTNING, "metrics.csv")
    assert table.columns["train_loss"] == "train_loss_epoch"
    assert table.columns["rate"] == "lr-Adam"
    assert numbers(table) == [[1, 2, 3, 4]]
    assert rounded(table, "train_loss") == [[1.081, 0.864, 0.786, 0.776]]
    assert rounded(table, "train_accuracy") == [[0.422, 0.594, 0.641, 0.641]]
    assert rounded(table, "val_accuracy") == [[0.438, 0.469, 0.469, 0.438]]
    # The rows with the rate don't say their epoch.
    assert table.evidence.last.rate.tolist() == [0.01, 0.01, 0.001, 0.001]


def test_lightning_with_losses_of_steps_only(read):
    table = read(histories.LIGHTNING_STEPS, "metrics.csv")
    first = [1.1517584323883057, 1.1469494104385376, 1.0336081981658936, 0.9433664083480835]
    assert table.evidence.last.train_loss[0] == pytest.approx(np.mean(first), abs=1e-12)
    assert rounded(table, "train_accuracy") == [[None, None, None]]
    assert "'train_loss' has up to 4 rows an epoch: their mean is taken" in table.remarks


def test_a_sanity_check_before_training_does_not_count(read):
    table = read("epoch,step,train_loss,val_loss\n0,0,,2.3\n0,9,0.9,\n0,9,,0.8\n1,19,0.5,\n1,19,,0.6\n")
    assert rounded(table, "val_loss") == [[0.8, 0.6]]


def test_timm_writes_percent_and_its_header_again(read):
    table = read(histories.TIMM, "summary.csv")
    assert numbers(table) == [[1, 2, 3, 4, 5, 6]]
    assert table.columns["val_accuracy"] == "eval_top1"
    assert rounded(table, "val_accuracy") == [[0.48, 0.7, 0.799, 0.844, 0.86, 0.865]]
    assert rounded(table, "rate")[0][0] == 0.05
    assert (table.evidence.best_epoch, table.unused) == (4, ("eval_top5",))
    assert "'eval_top1' is in percent, by the values in the file" in table.remarks


def test_one_percent_is_not_taken_for_all_where_the_top_five_say_so(read):
    table = read("epoch,train_loss,eval_loss,eval_top1,eval_top5\n0,4.6,4.6,1.0,5.0\n1,4.6,4.6,1.0,5.0\n")
    assert rounded(table, "val_accuracy") == [[0.01, 0.01]]


def test_fastai_means_validation_by_its_accuracy(read):
    table = read(histories.FASTAI)
    assert (table.columns["val_loss"], table.columns["val_accuracy"]) == ("valid_loss", "accuracy")
    assert rounded(table, "val_accuracy") == [[0.375, 0.312, 0.406, 0.406]]
    assert rounded(table, "train_accuracy") == [[None] * 4]


def test_an_error_rate_is_turned_round(read):
    without = "\n".join(",".join(line.split(",")[:3] + line.split(",")[4:]) for line in histories.FASTAI.splitlines())
    table = read(without)
    assert table.columns["val_accuracy"] == "error_rate"
    assert rounded(table, "val_accuracy") == [[0.375, 0.312, 0.406, 0.406]]
    assert rounded(read("epoch,loss,val_err\n1,1,25\n2,1,20\n"), "val_accuracy") == [[0.75, 0.8]]


def test_two_fits_of_fastai_go_on(read):
    table = read(histories.FASTAI_TWICE)
    assert numbers(table) == [[1], [2, 3, 4]]
    assert rounded(table, "val_loss") == [[0.591], [0.552, 0.523, 0.501]]


def test_the_state_of_a_trainer(read):
    table = read(histories.TRANSFORMERS, "trainer_state.json")
    assert numbers(table) == [[1, 2, 3]]
    assert table.columns["train_loss"] == "loss"  # and not train_loss, a mean over the whole training
    assert table.evidence.last.train_loss[0] == pytest.approx((1.103435754776001 + 1.0477898120880127) / 2)
    assert rounded(table, "val_loss") == [[1.072, 1.025, 1.006]]
    assert rounded(table, "val_accuracy") == [[0.344, 0.406, 0.438]]
    assert rounded(table, "gradient_norm") == [[1.295, 0.909, 0.666]]
    assert rounded(table, "rate") == [[0.007, 0.004, 0.001]]


def test_unfreezes_own_history_says_its_phases(tmp_path):
    records = epochs(
        phase=[1, 1, 2, 2],
        phase_name=["head only", "head only", "unfrozen", "unfrozen"],
        boundary=["head", "head", "stage3", "stage3"],
        val_loss=[0.6, 0.5, 0.4, 0.3],
        best=[True, False, True, False],
        gradient_norm=[1.0, None, 3.0, 4.0],
    )
    write_history(records, tmp_path)
    for name in ("history.csv", "history.jsonl"):
        table = read_table(tmp_path / name)
        assert [(phase.name, phase.boundary) for phase in table.evidence.phases] == [
            ("head only", "head"),
            ("unfrozen", "stage3"),
        ]
        assert numbers(table) == [[1, 2], [3, 4]]
        assert rounded(table, "gradient_norm") == [[1.0, None], [3.0, 4.0]]
        assert table.evidence.best_epoch == 3
        assert "phase" not in table.unused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("epoch,loss,val_loss\n0,3,3\n1,2,2\n2,1,1\n1,5,5\n2,4,4\n", [3, 5, 4], id="taken up again at epoch 1"),
        pytest.param("epoch,loss,val_loss\n0,3,3\n0,2,2\n0,1,1\n", [3, 2, 1], id="fit with one epoch at a time"),
        pytest.param("epoch,loss,val_loss\n3,1,1\n2,2,2\n1,3,3\n", [3, 2, 1], id="the last first"),
        pytest.param("loss,val_loss\n3,3\n2,2\n1,1\n", [3, 2, 1], id="no epochs"),
        pytest.param("step,loss,val_loss\n1,4,\n2,2,\n3,,9\n4,2,\n5,,9\n", [3, 2], id="steps only"),
        pytest.param('[{"loss": 3}, {"loss": 2.5}]', [3, 2.5], id="JSON records"),
        pytest.param('{"loss": [3, 2, 1], "val_loss": [3, 2, 1]}', [3, 2, 1], id="History.history"),
        pytest.param('{"epoch": 1, "loss": 3}\n{"epoch": 2, "loss": NaN}\n{"epoch": 3, "loss": 1}', [3, None, 1], id="lines"),
        pytest.param("epoch;loss\n1;0,5\n2;0,25\n", [0.5, 0.25], id="decimal commas"),
        pytest.param("   epoch,   train/loss,  val/loss\n  1,  3.0,  4\n  2,  2.0,  4\n", [3, 2], id="padded"),
        pytest.param("epoch\tloss\r\n1\t3\r\n\r\n2\t2\r\n", [3, 2], id="tabs, and an empty line"),
        pytest.param(",epoch,loss\n0,1,3\n1,2,2\n", [3, 2], id="the index of a data frame"),
        pytest.param("epoch,loss,val_loss\n1,3,3\n2,2,2\n3,0.", [3, 2], id="broken off in the last line"),
        pytest.param("epoch,loss,val_loss\n1,3,3\n", [3], id="one epoch"),
        pytest.param("epoch,loss,val_loss\n1,3,3\n2,,\n3,1,1\n", [3, 1], id="an epoch without values"),
    ],
)  # fmt: skip
def test_training_losses_of_files_of_every_make(read, text, expected):
    table = read(text)
    (losses,) = rounded(table, "train_loss")
    assert losses == expected
    assert all(len(phase.epochs) == len(phase.train_loss) for phase in table.evidence.phases)
    diagnose(table.evidence)


def test_a_tail_keeps_its_numbers(read):
    assert numbers(read("epoch,loss\n7,3\n8,2\n")) == [[7, 8]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(read, encoding):
    table = read("epoch,loss,précision\n1,0.5,0.25\n".encode(encoding))
    assert rounded(table, "train_loss") == [[0.5]]
    assert any("isn't UTF-8" in remark for remark in table.remarks) == (encoding == "latin-1")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["train/loss", "metrics/accuracy_top1", "metrics/accuracy_top5", "val/loss", "lr/pg0", "lr/pg1"],
         {"train_loss": "train/loss", "val_loss": "val/loss", "val_accuracy": "metrics/accuracy_top1", "rate": "lr/pg0"}),
        (["Train Loss", "Valid Loss", "Train Acc", "Valid Acc"],
         {"train_loss": "Train Loss", "val_loss": "Valid Loss", "train_accuracy": "Train Acc", "val_accuracy": "Valid Acc"}),
        (["loss_train", "loss_val", "acc@1_val", "acc@5_val"],
         {"train_loss": "loss_train", "val_loss": "loss_val", "val_accuracy": "acc@1_val"}),
        (["train_loss", "test_loss", "train_acc", "test_acc"],
         {"train_loss": "train_loss", "val_loss": "test_loss", "train_accuracy": "train_acc", "val_accuracy": "test_acc"}),
        (["train_loss", "val_loss", "test_loss", "val_MulticlassAccuracy", "best_val_acc"],
         {"train_loss": "train_loss", "val_loss": "val_loss", "val_accuracy": "val_MulticlassAccuracy"}),
        (["trainLoss", "validationAccuracy", "learningRate"],
         {"train_loss": "trainLoss", "val_accuracy": "validationAccuracy", "rate": "learningRate"}),
        (["accuracy", "time", "precision", "loss_weight"], {"train_accuracy": "accuracy"}),
    ],
)  # fmt: skip
def test_names_that_other_tools_give(columns, expected):
    assert guess_columns(columns).columns == expected


def test_a_column_is_named_by_hand_and_a_guess_taken_back(read):
    text = "Runde,Verlust,accuracy,lr\n1,3,0.5,0.1\n2,2,0.6,0.1\n"
    table = read(text, columns={"epoch": "Runde", "train_loss": "Verlust", "train_accuracy": "", "val_accuracy": "accuracy"})
    assert table.columns == {"epoch": "Runde", "train_loss": "Verlust", "val_accuracy": "accuracy", "rate": "lr"}


def test_what_a_file_does_not_say_can_be_said(read):
    evidence = read(histories.TIMM, classes=10, val_pictures=500).evidence
    assert evidence.guess_loss == pytest.approx(math.log(10))
    assert evidence.val_pictures == 500


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"\n \n", "the file is empty", id="blank"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0", "isn't a text file", id="picture"),
        pytest.param(b"epoch,loss\n", "only the columns 'epoch', 'loss' without a number", id="header only"),
        pytest.param(b"Dear diary, it rained.\nAgain, alas.\n", "without a number", id="prose"),
        pytest.param(b"1,2,3\n4,5,6\n", "the first line is numbers", id="no header"),
        pytest.param(b"a,b\n1,2\n", "There are 'a', 'b'. Say which is which: --columns \"train_loss=", id="no loss"),
        pytest.param(b"epoch,accuracy\n1,250\n", "taken for an accuracy and has values from 0 to 250", id="no part"),
        pytest.param(b'{"a": ', "can't be read as JSON", id="broken JSON"),
        pytest.param(b"[1, 2]", "no records of epochs in this JSON", id="a list of numbers"),
    ],
)  # fmt: skip
def test_what_is_no_history_is_refused_in_words(read, content, message):
    with pytest.raises(RunError, match=r"history\.csv: ") as caught:
        read(content)
    assert message in str(caught.value)


def test_a_folder_with_a_history_in_it_says_which_file_to_give(tmp_path):
    (tmp_path / "metrics.csv").write_text(histories.LIGHTNING)
    with pytest.raises(RunError, match=r"is a folder, and no run of unfreeze\. Give the file: .*metrics\.csv"):
        read_table(tmp_path)
    with pytest.raises(RunError, match="no such file"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"columns": {"train_los": "loss"}}, RecipeError, "columns: there is no 'train_los'. Did you mean 'train_loss'?"),
        ({"columns": {"val_loss": "val_los"}}, RunError, "no such column. Did you mean 'val_loss'?"),
        ({"classes": 1}, RecipeError, "classes: it must be 2 or more, received 1"),
        ({"val_pictures": 0}, RecipeError, "val_pictures: it must be 1 or more, received 0"),
    ],
)
def test_what_is_said_wrong_is_refused(read, options, error, message):
    with pytest.raises(error) as caught:
        read(histories.KERAS, **options)
    assert message in str(caught.value)


CELL = st.sampled_from(["", "NA", "nan", "inf", "-1", "0", "1", "0.5", "87.5", "1e300", "x", "12 %", "2"])
HEADER = st.sampled_from(
    ["epoch", "step", "loss", "val_loss", "accuracy", "val_acc", "lr", "test_loss", "phase", "eval_top1", ""]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(HEADER, min_size=1, max_size=5, unique=True), st.lists(st.lists(CELL, max_size=6), max_size=8))
def test_any_table_is_read_or_refused_in_words(tmp_path_factory, header, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("\n".join(",".join(line) for line in [header, *rows]))
    try:
        table = read_table(path)
    except UnfreezeError as error:
        assert str(error)
        return
    for phase in table.evidence.phases:
        assert (np.diff(phase.epochs) > 0).all()
        for curve in (phase.train_accuracy, phase.val_accuracy):
            known = curve[~np.isnan(curve)]
            assert ((known >= 0) & (known <= 1)).all()
    assert all(table.remarks)
