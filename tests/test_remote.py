"""Videos by URL: the same frames as from the file, few bytes moved, faults told, no secrets written."""

import hashlib
import os
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import clips
import fsspec
import numpy as np
import pandas as pd
import pytest

from painlib import remote
from painlib.cohort import CameraVideo, VideoPart, load_cohort
from painlib.faces.extraction import extract_camera
from painlib.faces.store import CameraFiles, FaceStore
from painlib.faults import PainlibError, hide_secrets
from painlib.fingerprints import fingerprint_file
from painlib.places import check_url, is_url, name_file
from painlib.pose.labels import load_labels
from painlib.pose.trackers import read_tracker
from painlib.remote import fetch_copy, mark_file, open_binary
from painlib.stage_files import fingerprint_inputs
from painlib.tables import read_table
from painlib.video import probe_video, read_frame, read_frames
from painlib.video.timeline import load_timeline

MIB = 2**20
LARGE_FRAMES = 48  # of 640 x 480 px noise as JPEG: about 19 MB


class Server(ThreadingHTTPServer):
    """A folder by http, with what was asked and how many bytes were sent; can do without ranges, or fail."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.ranges = True
        self.n_to_break = 0  # answers that break off in the middle
        self.cut_to = None  # length that an answer has at most, said as if it were the whole range
        self.sent = 0
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A reader that goes away is no fault."""


class Answer(BaseHTTPRequestHandler):
    """GET and HEAD, with Range (RFC 9110, 14.2)."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def log_message(self, *_):
        """Nothing on the screen."""

    def _answer(self, with_body):
        path = self.server.folder / self.path.split("?")[0].lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.server.asked.append((self.command, self.headers.get("Range")))
        part, status = content, 200
        if asked and self.server.ranges:
            begin, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            part, status = content[begin : end + 1][: self.server.cut_to], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(part) - 1}/{len(content)}")
        self.end_headers()
        if not with_body:
            return
        if self.server.n_to_break and status == 206:
            self.server.n_to_break -= 1
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            return
        self.wfile.write(part)
        self.server.sent += len(part)


@pytest.fixture
def server(tmp_path):
    web = Server(tmp_path)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    yield web
    web.shutdown()
    web.server_close()
    thread.join()


@pytest.fixture(scope="session")
def large_clip(tmp_path_factory):
    """Noise of about 19 MB, its index at the end of the file (mp4 as cameras write it)."""
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    images = [np.roll(noise, 7 * number, axis=0) for number in range(LARGE_FRAMES)]
    path = tmp_path_factory.mktemp("large") / "noise.mp4"
    return clips.write_clip(
        path, images, codec="mjpeg", pix_fmt="yuvj420p", options={"qmin": "1", "qmax": "1"}
    )


CONTAINERS = {
    "mp4": {},
    "fast.mp4": {"muxing": {"movflags": "+faststart"}},
    "fragmented.mp4": {"muxing": {"movflags": "frag_keyframe+empty_moov"}},
    "mkv": {},
    "ts": {},
    "avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2", "qscale": "2"}},
    "flv": {},
    "mpg": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2", "qscale": "2"}},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_url_gives_the_frames_of_the_file_in_every_container(server, tmp_path, name):
    how = {"options": {"g": "12", "bf": "3", "b_strategy": "0"}, "sound": name == "mp4", **CONTAINERS[name]}
    path = clips.write_numbered(tmp_path / f"clip.{name}", 40, **how)
    url = f"{server.url}/{path.name}"
    here, there = load_timeline(path), load_timeline(url)
    np.testing.assert_array_equal(there.pts, here.pts)
    assert (there.keyframes, there.fault, there.frame_s) == (here.keyframes, here.fault, here.frame_s)
    part = {"start_s": 0.45, "end_s": 0.95}
    frames = list(read_frames([VideoPart(url, **part)]))
    assert [clips.read_number(frame.image) for frame in frames] == [frame.number for frame in frames]
    assert len(frames) == 15
    for ours, theirs in zip(read_frames([VideoPart(str(path), **part)]), frames, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
    assert clips.read_number(read_frame(url, 33).image) == 33
    local, remote_info = probe_video(path), probe_video(url)
    assert remote_info.path == url
    facts = ("width", "height", "fps", "n_frames", "duration_s", "rotation_deg", "pixel_format")
    assert [getattr(remote_info, fact) for fact in facts] == [getattr(local, fact) for fact in facts]


def test_a_video_cut_short_is_seen_by_url_as_in_the_file(server, tmp_path):
    whole = clips.write_numbered(tmp_path / "clip.mp4", 40, muxing={"movflags": "+faststart"})
    cut = clips.cut_end(whole, 200)
    with pytest.raises(PainlibError, match=r"200 bytes are missing at its end"):
        probe_video(f"{server.url}/{cut.name}")
    assert load_timeline(f"{server.url}/{cut.name}").fault == load_timeline(cut).fault != ""


def test_probing_moves_a_small_part_and_decoding_each_byte_about_once(server, tmp_path, large_clip):
    shutil.copy(large_clip, tmp_path / "noise.mp4")
    url, size = f"{server.url}/noise.mp4", large_clip.stat().st_size
    assert size > 7 * remote.BLOCK
    assert probe_video(url).n_frames == LARGE_FRAMES
    assert server.sent < 0.4 * size
    server.sent = 0
    line = load_timeline(url)
    assert server.sent <= 1.1 * size
    server.sent = 0
    assert sum(1 for _ in read_frames([VideoPart(url)], timelines=[line])) == LARGE_FRAMES
    assert server.sent <= 1.1 * size
    server.sent = 0
    read_frame(url, 24, line)
    assert server.sent < 0.4 * size


def test_a_broken_connection_is_tried_again(server, tmp_path, large_clip, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.01)
    shutil.copy(large_clip, tmp_path / "noise.mp4")
    server.n_to_break = 2
    with open_binary(f"{server.url}/noise.mp4") as file:
        assert file.read() == large_clip.read_bytes()
    assert server.n_to_break == 0


def test_a_connection_that_stays_broken_is_a_fault_and_no_short_video(
    server, tmp_path, large_clip, monkeypatch
):
    monkeypatch.setattr(remote, "PAUSE_S", 0.01)
    shutil.copy(large_clip, tmp_path / "noise.mp4")
    frames = read_frames([VideoPart(f"{server.url}/noise.mp4")])
    numbers = [next(frames).number]
    server.n_to_break = 1000
    with pytest.raises(PainlibError, match="Cannot read http"):
        numbers.extend(frame.number for frame in frames)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < LARGE_FRAMES


def test_an_answer_that_is_too_short_is_a_fault(server, tmp_path, large_clip, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.01)
    shutil.copy(large_clip, tmp_path / "noise.mp4")
    server.cut_to = MIB
    with pytest.raises(PainlibError, match="bytes expected at"):
        load_timeline(f"{server.url}/noise.mp4")


def test_a_server_without_ranges_is_named_and_the_remedy_works(server, tmp_path, large_clip):
    shutil.copy(large_clip, tmp_path / "noise.mp4")
    server.ranges = False
    url = f"{server.url}/noise.mp4"
    with pytest.raises(PainlibError, match=r"no HTTP ranges.*`simplecache::` before the URL"):
        probe_video(url)
    assert probe_video(f"simplecache::{url}").n_frames == LARGE_FRAMES
    assert fingerprint_file(f"simplecache::{url}").startswith("ends:")


def test_faults_of_urls_say_what_to_do(server, tmp_path):
    with pytest.raises(PainlibError, match=r"found none: http.*/absent\.mp4"):
        probe_video(f"{server.url}/absent.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(PainlibError, match="cannot be opened"):
        probe_video(f"{server.url}/text.mp4")
    closed = server.url.rsplit(":", 1)[0] + ":9/a.mp4"
    with pytest.raises(PainlibError, match="Mend the URL or the connection"):
        mark_file(closed)


@pytest.fixture(scope="module")
def bucket():
    """A bucket of a local object store; fsspec finds the store and its keys as users tell them."""
    from moto.server import ThreadedMotoServer

    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    told = {
        "AWS_ACCESS_KEY_ID": "mouse",
        "AWS_SECRET_ACCESS_KEY": "mouse",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    fsspec.filesystem("s3").mkdir("videos")
    yield "s3://videos"
    store.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def test_an_object_store_gives_frames_and_a_fingerprint_that_follows_the_content(
    bucket, large_clip, tmp_path
):
    store, url = fsspec.filesystem("s3"), f"{bucket}/day 1/noise.mp4"
    store.put_file(str(large_clip), "videos/day 1/noise.mp4")
    frames = read_frames([VideoPart(url, 0.5, 0.7)])
    for ours, theirs in zip(read_frames([VideoPart(str(large_clip), 0.5, 0.7)]), frames, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
    first = fingerprint_file(url)
    assert first == fingerprint_file(url) != fingerprint_file(large_clip)
    content = bytearray(large_clip.read_bytes())
    content[len(content) // 2] ^= 1  # neither size nor ends tell
    (tmp_path / "other.mp4").write_bytes(content)
    store.put_file(str(tmp_path / "other.mp4"), "videos/day 1/noise.mp4")
    assert fingerprint_file(url) != first


def test_a_small_file_has_its_contents_fingerprint_wherever_it_lies(bucket, tmp_path):
    (tmp_path / "points.csv").write_text("frame,x\n0,1\n")
    fsspec.filesystem("s3").put_file(str(tmp_path / "points.csv"), "videos/points.csv")
    expected = f"sha256:{hashlib.sha256(b'frame,x' + bytes([10]) + b'0,1' + bytes([10])).hexdigest()}"
    assert fingerprint_file(f"{bucket}/points.csv") == fingerprint_file(tmp_path / "points.csv") == expected


def test_a_trackers_file_is_read_by_url(bucket, tmp_path):
    points = [(scorer, "nose", coord) for scorer in ["net"] for coord in ("x", "y", "likelihood")]
    columns = pd.MultiIndex.from_tuples(points, names=["scorer", "bodyparts", "coords"])
    table = pd.DataFrame([[1.0, 2.0, 0.9], [3.0, 4.0, 0.8]], columns=columns)
    table.to_csv(tmp_path / "points.csv")
    fsspec.filesystem("s3").put_file(str(tmp_path / "points.csv"), "videos/points.csv")
    read = read_tracker(f"{bucket}/points.csv", ["nose", "", ""])
    assert read[["nose_x", "nose_y", "nose_likelihood"]].to_numpy().tolist() == [[1, 2, 0.9], [3, 4, 0.8]]
    with pytest.raises(PainlibError, match=r"cannot be used: s3://videos/points\.csv"):
        read_tracker(f"{bucket}/points.csv", ["snout", "", ""])
    with pytest.raises(PainlibError, match=r"found none: s3://videos/absent\.csv"):
        read_tracker(f"{bucket}/absent.csv", ["nose", "", ""])


def test_faces_of_videos_in_an_object_store_are_those_of_the_files(bucket, tmp_path):
    clips.write_numbered(tmp_path / "clip.mp4", 20)
    columns = pd.MultiIndex.from_product(
        [["net"], ["nose", "right", "left"], ["x", "y", "likelihood"]],
        names=["scorer", "bodyparts", "coords"],
    )
    seen = np.tile([40.0, 30.0, 0.99, 36.0, 34.0, 0.99, 44.0, 34.0, 0.99], (20, 1))
    pd.DataFrame(seen, columns=columns).to_csv(tmp_path / "points.csv")
    for name in ("clip.mp4", "points.csv"):
        fsspec.filesystem("s3").put_file(str(tmp_path / name), f"videos/{name}")
    params = SimpleNamespace(
        pose_source="tracker", point_names=["nose", "right", "left"], individual=None, border="skip",
        pose_width=96, pose_height=64, pose_batch=8, jpeg_quality=95, decoder="software",
    )  # fmt: skip
    for place in (str(tmp_path), bucket):
        video = CameraVideo(
            "r1", "m1", "front", (VideoPart(f"{place}/clip.mp4"),), 0.0, (f"{place}/points.csv",)
        )
        workdir = tmp_path / ("local" if place != bucket else "store")
        summary = extract_camera(video, workdir, params=params, network=None, threshold=0.9, crop_px=32)
        assert (summary["n_frames"], summary["n_faces"]) == (20, 20)
        assert extract_camera(video, workdir, params=params, network=None, threshold=0.9, crop_px=32)[
            "resumed"
        ]
    ours, theirs = (CameraFiles(tmp_path / name, "r1", "front") for name in ("local", "store"))
    assert ours.blob.read_bytes() == theirs.blob.read_bytes()
    for path in (ours.blob, ours.index):
        fsspec.filesystem("s3").put_file(str(path), f"videos/runs/mine/faces/{path.name}")
    local, remote_one = FaceStore(tmp_path / "local"), FaceStore(f"{bucket}/runs/mine", ["r1"])
    pd.testing.assert_frame_equal(remote_one.index, local.index)
    assert remote_one.mark_rows([3, 17]) == local.mark_rows([3, 17])
    for face, expected in zip(remote_one.read([17, 3]), local.read([17, 3]), strict=True):
        np.testing.assert_array_equal(face, expected)
    assert not len(FaceStore(f"{bucket}/runs/mine", ["r2"]))
    for path in (ours.blob, ours.index):  # what came since is seen
        fsspec.filesystem("s3").put_file(str(path), f"videos/runs/mine/faces/{path.name.replace('r1', 'r2')}")
    assert len(FaceStore(f"{bucket}/runs/mine")) == 40
    short = tmp_path / "short.jpgs"
    short.write_bytes(ours.blob.read_bytes()[:-1])
    fsspec.filesystem("s3").put_file(str(short), f"videos/runs/mine/faces/{ours.blob.name}")
    with pytest.raises(PainlibError, match=r"bytes of faces, got \d+: s3://videos/runs/mine/faces/r1_front"):
        FaceStore(f"{bucket}/runs/mine")
    with pytest.raises(PainlibError, match=r"s3://videos/runs/absent/faces"):
        FaceStore(f"{bucket}/runs/absent")
    pd.testing.assert_frame_equal(read_table(ours.pose, "pose"), read_table(theirs.pose, "pose"))


def test_a_video_that_changed_on_the_server_makes_its_stage_stale_and_its_password_is_not_recorded(
    server, tmp_path
):
    clips.write_numbered(tmp_path / "clip.mp4", 5)
    url = f"{server.url}/clip.mp4".replace("://", "://anna:cheese@")
    params = SimpleNamespace(cohort=tmp_path / "cohort.csv", workdir=tmp_path)
    before = fingerprint_inputs("crop", params, [url])
    assert before == fingerprint_inputs("crop", params, [url])
    assert list(before) == [f"{server.url}/clip.mp4"]
    clips.write_numbered(tmp_path / "clip.mp4", 6)
    assert fingerprint_inputs("crop", params, [url]) != before


def test_other_file_systems_of_fsspec_are_read_the_same_way(tmp_path):
    path = clips.write_numbered(tmp_path / "clip.mp4", 12)
    fsspec.filesystem("memory").pipe_file("/clip.mp4", path.read_bytes())
    for url in (path.as_uri(), "memory://clip.mp4"):
        assert [clips.read_number(frame.image) for frame in read_frames([VideoPart(url)])] == list(range(12))


def test_labelled_frames_may_be_of_a_video_by_url(server, tmp_path):
    clips.write_numbered(tmp_path / "clip.mp4", 12)
    table = tmp_path / "labels.csv"
    head = "video,frame,nose_x,nose_y\n"
    table.write_text(f"{head}{server.url}/clip.mp4,3,10,20\n{server.url}/clip.mp4,7,11,21\n")
    labels = load_labels(table)
    assert list(labels["video"]) == [f"{server.url}/clip.mp4"] * 2
    assert labels[["source", "width", "height"]].drop_duplicates().to_numpy().tolist() == [
        ["clip.mp4", 96, 64]
    ]
    table.write_text(f"{head}https://anna:cheese@host/clip.mp4,3,10,20\n")
    with pytest.raises(PainlibError, match=r"https://host/clip\.mp4: expected a URL without a password"):
        load_labels(table)


def test_what_is_a_url_and_what_a_path():
    for url in ("s3://bucket/a.mp4", "simplecache::https://host/a.mp4", "sftp://nas/a.mp4", "memory://a"):
        assert is_url(url)
    for path in ("videos/a.mp4", "/data/a.mp4", "C:\\videos\\a.mp4", "C:/a.mp4", "a:b.mp4", ""):
        assert not is_url(path)
    assert name_file("https://host/day 1/a.mp4?token=x#t=1") == name_file("/data/a.mp4") == "a.mp4"


def write_cohort(folder, *videos):
    rows = "".join(f"r{number},m{number},front,{video}\n" for number, video in enumerate(videos))
    path = folder / "cohort.csv"
    path.write_text(f"recording,subject,camera,video\n{rows}", encoding="utf-8")
    return path


def test_the_cohort_table_names_urls(tmp_path):
    cohort = load_cohort(write_cohort(tmp_path, "s3://bucket/a.mp4", "simplecache::https://host/b.mp4"))
    assert list(cohort["video"]) == ["s3://bucket/a.mp4", "simplecache::https://host/b.mp4"]


def test_the_cohort_table_names_urls_that_cannot_be(tmp_path):
    path = write_cohort(tmp_path, "htps://host/a.mp4", "https://anna:cheese@host/b.mp4")
    with pytest.raises(PainlibError) as told:
        load_cohort(path)
    assert "Row 2, column `video`: expected a URL that fsspec opens" in str(told.value)
    assert "Did you mean 'https'?" in str(told.value)
    assert "Row 3, column `video`: expected a URL without a password" in str(told.value)
    assert "cheese" not in str(told.value)


def test_messages_hold_no_secrets():
    text = hide_secrets(
        "no s3://b/a.mp4, sftp://anna:cheese@nas/a.mp4, https://h/a.mp4?x=1&X-Amz-Signature=ab12&y=2"
    )
    assert text == "no s3://b/a.mp4, sftp://nas/a.mp4, https://h/a.mp4?x=1&X-Amz-Signature=...&y=2"
    assert hide_secrets("https://h/a.mp4?api_key=ab12&key=cd34") == "https://h/a.mp4?api_key=...&key=..."
    assert str(PainlibError("from https://anna:cheese@h/a.mp4: x@y")) == "from https://h/a.mp4: x@y"
    assert check_url("sftp://anna@nas/a.mp4") == ""


def test_a_copy_is_gone_when_it_was_used(server, tmp_path):
    (tmp_path / "a.h5").write_bytes(b"points")
    with fetch_copy(f"{server.url}/a.h5") as copy:
        assert copy.name == "a.h5"
        assert copy.read_bytes() == b"points"
    assert not copy.exists()
