"""What the commands print: tables and lines for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unfreeze.api import Abstaining, Conversion, Evaluation, Prediction, Run
from unfreeze.cli.quantities import count, duration, megabytes, millions
from unfreeze.cli.show_evidence import evidence_table
from unfreeze.cli.show_findings import found_lines, other_lines
from unfreeze.data.dataset import LeftOut
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import Inspection
from unfreeze.recipe.network import InputContract, Network
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.report.augmentation import augmentation_in_words
from unfreeze.report.imbalance import by_class, imbalance_in_words, loss_in_words
from unfreeze.report.labels import printable, visible
from unfreeze.report.phases import batch_in_words, extras_in_words, optimizer_in_words, rate_in_words, schedule_in_words
from unfreeze.training.backend import ModelEntry
from unfreeze.training.calibration import AbstentionThreshold
from unfreeze.training.scores import Scores

_BAR_WIDTH = 30
_MOST_LISTED = 20
# Of what a finding is about: groups of pictures, and pictures of one group.
_MOST_GROUPS, _MOST_OF_GROUP = 5, 4
# Rich takes 80 columns where there is no terminal, which folds tables that nobody's window folds.
_PIPE_WIDTH = 140


def console() -> Console:
    """Where output goes. Highlighting is off, so that a file name with a number in it isn't coloured."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def say(line: str = "") -> None:
    """One line, never broken: a path must stay whole to be copied."""
    console().print(visible(line), soft_wrap=True)


def show_inspection(inspection: Inspection) -> None:
    """Counts per class as bars, sizes, colour modes, what was found."""
    console().print(_counts(inspection.classes, inspection.counts, {}))
    small, median, large = inspection.sides_px
    modes = ", ".join(f"{count} {mode}" for mode, count in inspection.modes.items())
    say(f"\n{inspection.pictures} pictures in {len(inspection.classes)} classes")
    say(f"largest class / smallest: {inspection.imbalance:.1f}")
    say(f"short side: {small} to {large} px, median {median}; colour: {modes}")
    for decision in inspection.decisions:
        say(f"note: {escape(decision)}")
    for finding in inspection.findings:
        show_data_finding(finding)
    if not inspection.findings:
        say("nothing was found that should keep you from training")


def show_data_finding(finding: DataFinding) -> None:
    """A finding in words, the first pictures concerned, and what to do."""
    say(f"\n[bold]{finding.code}[/bold] ({finding.severity}): {escape(printable(finding.explanation))}")
    for group in finding.groups[:_MOST_GROUPS]:
        names = ", ".join(printable(name) for name in group[:_MOST_OF_GROUP])
        more = f" … {len(group)} in all" if len(group) > _MOST_OF_GROUP else ""
        detail = finding.details.get(group[0])
        say(f"  {escape(names)}{more}{escape(f': {printable(detail)}') if detail else ''}")
    if len(finding.groups) > _MOST_GROUPS:
        say(f"  … and {len(finding.groups) - _MOST_GROUPS} more")
    if finding.advice:
        say(f"  {escape(finding.advice)}")
    for name, value in finding.remedy.items():
        say(f"  when training: --set {name}={value}")


def show_left_out(left_out: Sequence[LeftOut]) -> None:
    """The files that aren't used, with reasons; a long list is cut and says so."""
    if not left_out:
        return
    say(f"{count(len(left_out), 'file')} left out:")
    for file in left_out[:_MOST_LISTED]:
        say(f"  {escape(printable(file.name))}: {escape(printable(file.reason))}")
    if len(left_out) > _MOST_LISTED:
        say(f"  … and {len(left_out) - _MOST_LISTED} more")


def show_plan(plan: Plan) -> None:
    """Every value of a plan that a person decides about."""
    out = console()
    network, contract = plan.network, plan.network.contract
    sizes = [f"{sum(counts.values())} {split}" for split, counts in plan.data.counts.items()]
    still = plan.phases[-1].batchnorm == "frozen"
    facts = {
        "data": f"{plan.data.root}: {', '.join(sizes)}, {len(plan.data.classes)} classes",
        "network": f"{network.name}, {network.parameters:,} parameters; {network.weights}",
        "input": f"{contract.side_px} × {contract.side_px} {contract.channel_order}, {contract.interpolation},"
        f" {_crop(contract)}, mean {_numbers(contract.mean)}, std {_numbers(contract.std)}",
        "head": " → ".join(
            ["global average pooling", *(f"dense {units} → ReLU → dropout {plan.head.dropout:g}" for units in plan.head.hidden)]
            + ([] if plan.head.hidden else [f"dropout {plan.head.dropout:g}"]) + [f"dense {len(plan.data.classes)}"]
        ),
        "augment": augmentation_in_words(plan.augment),
        "imbalance": printable(imbalance_in_words(plan)),
        "loss": f"{loss_in_words(plan)}; best epoch by {plan.watch}",
        "batch": f"{batch_in_words(plan)}, {plan.loader_threads} loader threads",
        **extras_in_words(plan),
        "BatchNorm": f"statistics of unfrozen stages {'stay as pretrained' if still else 'follow the batches'}",
        "computes on": f"{plan.device} in {plan.precision}, seed {plan.seed}{', deterministic' if plan.deterministic else ''}",
        **({} if plan.memory is None else {"memory": f"about {plan.memory / 10**9:.1f} GB at its peak"}),
    }  # fmt: skip
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, escape(fact))
    out.print(table)
    if len(plan.data.classes) <= _MOST_LISTED:
        say()
        out.print(_counts(plan.data.classes, plan.data.counts, by_class(plan)))
    for decision in plan.data.decisions:
        say(f"note: {escape(decision)}")
    for finding in plan.data.findings:
        if finding.severity != "note":  # the report has those as well
            say(f"[bold yellow]{finding.code}:[/] {escape(printable(finding.explanation))}")
    for remark in plan.remarks:
        say(f"[bold yellow]note:[/] {escape(remark)}")
    show_left_out([LeftOut(name, reason) for name, reason in plan.data.left_out.items()])
    say(f"\nstrategy [bold]{plan.strategy}[/]:")
    out.print(_phases(plan.phases))
    if plan.evidence:
        say(f"\nwhat the steps are expected to take{f', of a budget of {plan.budget}' if plan.budget else ''}:")
        out.print(evidence_table(plan.evidence, plan.watch))
    if plan.cache:
        say("\nactivations of the frozen part:")
        out.print(_cached(plan))


def show_network(network: Network) -> None:
    """A network's input contract and stages."""
    contract = network.contract
    say(f"[bold]{escape(network.name)}[/] ({network.framework}: {escape(network.architecture)})")
    say(
        f"input {contract.side_px} × {contract.side_px} {contract.channel_order} (at least {network.minimum_side_px}),"
        f" {contract.interpolation}, {_crop(contract)},"
        f" mean {_numbers(contract.mean)}, std {_numbers(contract.std)}"
    )
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "layers", "parameters", "first layer", "last layer"):
        table.add_column(name, justify="right" if name in ("layers", "parameters") else "left")
    for stage in network.stages:
        layers = stage.layers
        table.add_row(stage.name, str(len(layers)), f"{stage.parameters:,}", layers[0].path, layers[-1].path)
    console().print(table)
    say("The head shown is for two classes.")


def show_models(entries: Sequence[ModelEntry], tested_only: bool) -> None:
    """A list of networks."""
    out = console()
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    table.add_column("runs in")
    table.add_column("pretrained weights")
    for entry in entries:
        table.add_row(escape(entry.name), ", ".join(entry.frameworks), escape(entry.weights))
    out.print(table)
    if tested_only:
        say(
            "\nThese are tested; any other CNN of timm or keras.applications works by its name: unfreeze models 'resnet*'"
            " lists more, unfreeze models resnet50 shows one."
        )


def show_scores(scores: Scores, name: str) -> None:
    """Accuracy with its interval, means over the classes, per class, and the confusion matrix."""
    out = console()
    low, high = scores.interval
    say(
        f"[bold]{escape(name)}: accuracy {scores.accuracy:.1%}[/]"
        f" (95 % interval {low:.1%} to {high:.1%}, Wilson; {scores.pictures} pictures, loss {scores.loss:.3f})"
    )
    say(f"balanced accuracy {scores.balanced_accuracy:.1%} (the mean recall of the classes), macro-F1 {scores.macro_f1:.1%}")
    table = Table(box=None, pad_edge=False)
    for column in ("class", "pictures", "precision", "recall", "F1"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for label, one in scores.per_class.items():
        table.add_row(escape(label), str(one.pictures), *(f"{value:.1%}" for value in (one.precision, one.recall, one.f1)))
    out.print(table)
    if len(scores.per_class) <= _MOST_LISTED:
        say("confusion (row: true, column: predicted)")
        out.print(_confusion(scores))


def show_evaluation(evaluation: Evaluation, name: str) -> None:
    """The scores on a folder, and what to know about them."""
    show_scores(evaluation.scores, name if evaluation.split == "all" else f"{name}, split {evaluation.split}")
    _, chance = evaluation.error_by_chance
    say(
        f"calibration error {evaluation.calibration_error:.1%} (confidence against accuracy; on as many pictures up to"
        f" {chance:.1%} is chance)"
    )
    if evaluation.abstaining is not None:
        _show_abstaining(evaluation.abstaining, evaluation.scores.pictures)
    if evaluation.trained_on:
        known = f"{evaluation.trained_on} of these {evaluation.scores.pictures} pictures"
        say(f"[bold yellow]note:[/] the run was trained on {known}: the score on them says little")
    for decision in evaluation.decisions:
        say(f"note: {escape(decision)}")
    show_left_out(evaluation.left_out)


def show_run(run: Run) -> None:
    """How a training ended, and what to do next."""
    say()
    if run.interrupted:
        kept = (
            f"the weights of epoch {run.best_epoch}, the best so far, are" if run.best_epoch else "the weights as they were are"
        )
        say(f"[bold]Interrupted:[/] {kept} kept. Nothing was scored on test pictures.")
        say(f"Go on with: unfreeze resume {escape(str(run.folder))}")
    elif run.test is not None:
        show_scores(run.test, "test")
    elif run.validation is not None:
        show_scores(run.validation, "validation")
    if run.best_epoch is not None and not run.interrupted:
        say(f"The weights are those of epoch {run.best_epoch} of {len(run.history)}, the best by {run.plan.watch}.")
    for phase, ending in zip(run.plan.phases, run.endings, strict=False):
        say(f"{phase.name} ended: {ending}")
    if run.plan.evidence:
        say("\nevidence:")
        console().print(evidence_table(run.plan.evidence, run.plan.watch))
    for line in (*found_lines(run.findings), *other_lines(run.findings)):
        say(line)
    for remark in run.plan.remarks:
        say(f"[bold yellow]note:[/] {escape(remark)}")
    folder = escape(str(run.folder))
    say(f"\nrun folder: {folder}")
    say(f"look at     {folder}/report.html and {folder}/curves.png")
    say(f"predict     unfreeze predict {folder} PICTURES --to predictions.csv")
    say(f"score       unfreeze evaluate {folder} FOLDER")
    say(f"diagnose    unfreeze diagnose {folder}")


def show_predictions(predictions: Sequence[Prediction], to: Path | None) -> None:
    """One line per picture, or a count where they went to a file."""
    unreadable = [prediction for prediction in predictions if prediction.confidence is None]
    unsure = [prediction for prediction in predictions if prediction.abstained]
    if to is None:
        for prediction in predictions:
            if prediction.confidence is not None:
                say(f"{escape(printable(str(prediction.path)))}: {_named(prediction)}")
    else:
        named = f"{count(len(predictions) - len(unreadable) - len(unsure), 'picture')} named"
        say(f"{named}{f', unsure of {len(unsure)}' if unsure else ''}: {escape(str(to))}")
    show_left_out([LeftOut(str(prediction.path), prediction.error or "") for prediction in unreadable])


def show_abstention(chosen: AbstentionThreshold, wanted: float) -> None:
    """By what threshold a model abstained, and what that gave on the validation pictures."""
    say(
        f"\nunsure: below a confidence of {chosen.threshold:.1%}. Of the run's {chosen.pictures} validation pictures"
        f" {chosen.kept:.0%} reach it, and {chosen.precision:.1%} of those are named right: on pictures like them at least"
        f" {wanted:.1%}, with 95 % confidence"
    )


def show_conversion(conversion: Conversion) -> None:
    """How near the two models are, and what to do with the new run."""
    folder = escape(str(conversion.folder))
    say(
        f"checked on {count(conversion.pictures, 'picture')}: the largest difference of a probability is"
        f" {conversion.largest_difference:.1e}"
    )
    say(f"\nrun folder: {folder} ({conversion.framework})")
    say(f"predict     unfreeze predict {folder} PICTURES --to predictions.csv")


def _named(prediction: Prediction) -> str:
    if prediction.label is not None:
        return f"{escape(printable(prediction.label))} ({prediction.confidence:.1%})"
    likeliest = max(prediction.probabilities, key=lambda name: prediction.probabilities[name])
    return f"[bold yellow]unsure[/] ({escape(printable(likeliest))} {prediction.confidence:.1%})"


def _show_abstaining(abstaining: Abstaining, pictures: int) -> None:
    chosen, part = abstaining.chosen, f"{abstaining.named} of {pictures} pictures ({abstaining.named / pictures:.1%})"
    right = "none of them"
    if abstaining.precision is not None and abstaining.interval is not None:
        low, high = abstaining.interval
        right = f"{abstaining.precision:.1%} of them right (95 % interval {low:.1%} to {high:.1%})"
    say(f"sure enough of {part}, {right}: those with a confidence of {chosen.threshold:.1%} or more")


def _counts(
    classes: Sequence[str],
    counts: Mapping[str, Mapping[str, int]],
    numbers: Mapping[str, Mapping[str, float]],
) -> Table:
    """Pictures per class and split, with bars and with further numbers of each class: what they are -> class -> number."""
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for split in counts:
        table.add_column("pictures" if split == "all" else split, justify="right")
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_column("")
    totals = {name: sum(counts[split][name] for split in counts) for name in classes}
    for name in classes:
        cells = [str(counts[split][name]) for split in counts] + [f"{values[name]:.3f}" for values in numbers.values()]
        bar = "█" * max(1, round(_BAR_WIDTH * totals[name] / max(totals.values())))
        table.add_row(escape(printable(name)), *cells, bar)
    return table


def _phases(phases: Sequence[Phase]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ("phase", "from", "trains", "of", "epochs", "rate", "schedule", "optimiser", "stops early")
    for column in columns:
        table.add_column(column, justify="right" if column in ("trains", "of", "epochs", "rate") else "left")
    for number, phase in enumerate(phases, start=1):
        patience = phase.stopping.patience_epochs
        table.add_row(
            f"{number}. {phase.name}",
            phase.boundary,
            millions(phase.trainable_parameters),
            millions(phase.trainable_parameters + phase.frozen_parameters),
            str(phase.epochs),
            rate_in_words(phase),
            schedule_in_words(phase),
            optimizer_in_words(phase),
            "never early" if patience is None else f"after {patience} flat",
        )
    return table


def _cached(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ("phase", "kept", "to compute", "size", "without", "with", "because")
    for column in columns:
        table.add_column(column, justify="left" if column in ("phase", "kept", "because") else "right")
    for number, (phase, cache) in enumerate(zip(plan.phases, plan.cache, strict=True), start=1):
        kept = [name for name, is_kept in (("training", cache.training), ("validation", cache.validation)) if is_kept]
        size = cache.rows * cache.row_bytes if cache.rows is not None and cache.row_bytes is not None else None
        table.add_row(
            f"{number}. {phase.name}",
            " and ".join(kept) or "nothing",
            "" if cache.missing is None or not kept else f"{cache.missing} of {cache.rows}",
            "" if size is None or not kept else megabytes(size),
            duration(cache.seconds_without),
            duration(cache.seconds_with),
            cache.reason,
        )
    return table


def _confusion(scores: Scores) -> Table:
    table = Table(box=None, pad_edge=False)
    names = list(scores.per_class)
    table.add_column("")
    for name in names:
        table.add_column(escape(name), justify="right", overflow="fold")
    for name, row in zip(names, scores.confusion.tolist(), strict=True):
        table.add_row(escape(name), *("·" if named == 0 else str(named) for named in row))
    return table


def _crop(contract: InputContract) -> str:
    return f"crop {contract.crop_fraction:g} ({contract.crop_mode})"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
