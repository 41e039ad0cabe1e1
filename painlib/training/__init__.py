"""Training of the classifier (paper, "Classifier"): batches, epochs, one process or several."""

from painlib.training.fitting import TrainedNet, TrainSettings, choose_precision, train_classifier

__all__ = ["TrainSettings", "TrainedNet", "choose_precision", "train_classifier"]
