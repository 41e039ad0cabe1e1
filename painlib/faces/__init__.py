"""Faces: cut out of videos by nose and eyes, stored once, read by row."""

from painlib.faces.cohort import extract_cohort, sample_frames, suggest_from_videos
from painlib.faces.extraction import extract_camera
from painlib.faces.store import CameraFiles, FaceStore, load_network_inputs

__all__ = [
    "CameraFiles",
    "FaceStore",
    "extract_camera",
    "extract_cohort",
    "load_network_inputs",
    "sample_frames",
    "suggest_from_videos",
]
