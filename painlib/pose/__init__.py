"""Nose and eyes in images, by DeepLabCut 3: labels, training, networks, and files of other trackers."""

from painlib.pose.files import load_pose_network
from painlib.pose.labels import KEYPOINTS, load_labels
from painlib.pose.network import PoseNetwork, fit_size
from painlib.pose.trackers import read_tracker
from painlib.pose.training import choose_likelihood_threshold, evaluate_pose, train_pose

__all__ = [
    "KEYPOINTS",
    "PoseNetwork",
    "choose_likelihood_threshold",
    "evaluate_pose",
    "fit_size",
    "load_labels",
    "load_pose_network",
    "read_tracker",
    "train_pose",
]
