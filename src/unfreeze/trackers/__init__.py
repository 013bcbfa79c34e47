"""Experiment trackers: TensorBoard, MLflow and Weights & Biases are told what happens in a training. One file each, alike."""
