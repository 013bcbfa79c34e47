"""The main job from Python: what `unfreeze train` and `unfreeze predict` do, as functions.

python examples/train_and_predict.py FOLDER RUN_FOLDER
"""

import sys

import unfreeze

run = unfreeze.train(
    sys.argv[1],
    out=sys.argv[2],
    strategy="fine-tune-top",
    input={"side_px": 64},
    head_only={"epochs": 2},
    unfrozen={"epochs": 2},
)
for record in run.history:
    print(f"epoch {record.epoch} ({record.phase_name}): validation accuracy {record.val_accuracy:.1%}")
if run.test is not None:
    print(f"test accuracy {run.test.accuracy:.1%}, 95 % interval {run.test.interval[0]:.1%} to {run.test.interval[1]:.1%}")
for finding in run.findings:
    print(finding.code, finding.outcome, finding.remedy)
for prediction in run.predict([sys.argv[1]])[:3]:
    print(prediction.path, prediction.label, prediction.confidence)
