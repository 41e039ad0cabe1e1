"""Videos: upright RGB frames with exact numbers and times, every file decoded once by one thread."""

from painlib.video.frames import Frame
from painlib.video.reading import VideoInfo, probe_video, read_frame, read_frames
from painlib.video.writing import write_video

__all__ = ["Frame", "VideoInfo", "probe_video", "read_frame", "read_frames", "write_video"]
