"""The published chain, written straightforwardly with the tools that it names or that everybody takes.

Re-encode to 720p, DeepLabCut's `analyze_videos`, split the 4K video into image files, cut the faces out of
them, load them with Pillow and torchvision, train and judge in eager float32, Grad-CAM by hooks, pairs by
numpy. Each step as its tool's documentation shows it; nothing is slowed down on purpose.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from painlib.bench.ceilings import call_ffmpeg
from painlib.model import PainNet

JPEG_QUALITY = 95  # of faces, as painlib stores them


def shrink_video(ffmpeg: str, source: Path, target: Path, width: int, height: int, n_frames: int) -> None:
    """A smaller video of the first frames, by libx264 with ffmpeg's defaults, for DeepLabCut."""
    scale = ["-frames:v", str(n_frames), "-vf", f"scale={width}:{height}"]
    scale += ["-c:v", "libx264", "-threads", "1", "-an"]
    call_ffmpeg(ffmpeg, "-threads", "1", "-i", source, *scale, target)


def analyse(config: Path, video: Path, folder: Path) -> None:
    """DeepLabCut on the whole frames of the smaller video."""
    import deeplabcut

    from painlib.pose.network import quiet_deeplabcut

    with quiet_deeplabcut(), contextlib.redirect_stderr(io.StringIO()):
        deeplabcut.analyze_videos(
            str(config), [str(video)], shuffle=1, device="cpu", destfolder=str(folder), overwrite=True
        )


def split(ffmpeg: str, source: Path, folder: Path, suffix: str, n_frames: int) -> None:
    """The first frames at full size as image files, 000001 and on; `suffix` "png" or "jpg".

    PNG at its quickest: ffmpeg's default level takes four times as long on frames with a sensor's noise.
    """
    quality = ["-q:v", "2"] if suffix == "jpg" else ["-compression_level", "1"]
    quality += ["-frames:v", str(n_frames)]
    call_ffmpeg(ffmpeg, "-threads", "1", "-i", source, *quality, "-threads", "1", folder / f"%06d.{suffix}")


def crop(
    frames: Path, faces: Path, centres: dict[int, tuple[float, float]], size_px: int, suffix: str
) -> list[Path]:
    """Cut the square around each centre (by frame number, zero-based) out of the image files.

    The square is moved inside where it leaves the image, as painlib's `border: shift` does.
    """
    import cv2

    written = []
    for number, (x, y) in centres.items():
        image = cv2.imread(str(frames / f"{number + 1:06d}.{suffix}"))
        assert image is not None, "split wrote every frame"
        height, width = image.shape[:2]
        left = min(max(int(np.floor(x + 0.5)) - size_px // 2, 0), width - size_px)
        top = min(max(int(np.floor(y + 0.5)) - size_px // 2, 0), height - size_px)
        path = faces / f"{number:06d}.{suffix}"
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == "jpg" else []
        cv2.imwrite(str(path), image[top : top + size_px, left : left + size_px], quality)
        written.append(path)
    return written


class FaceFiles:
    """A torch data set of face files with labels, for a DataLoader: Pillow reads, torchvision transforms."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int], transform: Callable[[Any], Any]) -> None:
        self.files, self.labels, self.transform = files, labels, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        from PIL import Image

        with Image.open(self.files[row]) as image:
            return self.transform(image.convert("RGB")), self.labels[row]


def make_transform(input_px: int, train: bool) -> Callable[[Any], Any]:
    """Rotation by -20 to 20 degrees and mirroring (training only), then the network's size, 0..255."""
    from torchvision import transforms

    turned = [transforms.RandomRotation(20), transforms.RandomHorizontalFlip()] if train else []
    # painlib's network standardises each image itself, from 0..255.
    steps = [*turned, transforms.Resize((input_px, input_px)), transforms.PILToTensor()]
    return transforms.Compose(
        [*steps, transforms.ConvertImageDtype(torch.float32), lambda image: 255 * image]
    )


def build_plainly(net: PainNet) -> nn.Sequential:
    """The classifier with the same weights, block by block as the paper's text has it; takes images 0..255.

    Not painlib's module: that one pools before it normalises where the answer is the same.
    """

    class Standardise(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return net.standardise(images)

    layers: list[nn.Module] = [Standardise()]
    for block in net.blocks:
        layers += [block.conv, nn.ReLU(), block.norm, nn.MaxPool2d(2, 2)]  # type: ignore[list-item]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for linear in net.fully_connected:
        layers += [linear, nn.ReLU()]
    return copy.deepcopy(nn.Sequential(*layers[:-1])).to(memory_format=torch.contiguous_format)


def train_epoch(
    net: nn.Sequential, files: Sequence[Path], labels: Sequence[int], input_px: int, batch: int
) -> None:
    """One epoch in eager float32, channels first, over all files."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(FaceFiles(files, labels, make_transform(input_px, True)), batch, shuffle=True)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.train()
    for images, answers in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), answers).backward()
        optimizer.step()


def predict(net: nn.Sequential, files: Sequence[Path], input_px: int) -> np.ndarray:
    """Probabilities (n, 2), one face after the other."""
    from PIL import Image

    transform = make_transform(input_px, False)
    net.eval()
    found = []
    for path in files:
        image = transform(Image.open(path).convert("RGB"))[None]
        with torch.no_grad():
            found.append(torch.softmax(net(image), dim=1)[0].double().numpy())
    return np.array(found)


def attribute(net: nn.Sequential, files: Sequence[Path], px: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, 2) and Grad-CAM (n, px, px) of each face's own class, by hooks, one by one."""
    import cv2
    from PIL import Image

    transform = make_transform(px, False)
    net.eval()
    seen: dict[str, Any] = {}

    def keep_map(module: nn.Module, given: Any, told: Any) -> None:
        seen["map"] = told

    def keep_gradient(module: nn.Module, given: Any, told: Any) -> None:
        seen["gradient"] = told[0]

    layer = [module for module in net if isinstance(module, torch.nn.Conv2d)][-1]
    hooks = [layer.register_forward_hook(keep_map), layer.register_full_backward_hook(keep_gradient)]
    probabilities, maps = [], []
    for path in files:
        image = transform(Image.open(path).convert("RGB"))[None]
        logits = net(image)
        net.zero_grad()
        logits[0, logits.argmax()].backward()
        weights = seen["gradient"].mean(dim=(2, 3), keepdim=True)
        raw = torch.relu((weights * seen["map"]).sum(dim=1))[0].detach().numpy()
        raw = (raw - raw.min()) / max(raw.max() - raw.min(), 1e-12)
        maps.append(cv2.resize(raw, (px, px)))
        probabilities.append(torch.softmax(logits, dim=1)[0].detach().double().numpy())
    for hook in hooks:
        hook.remove()
    return np.array(probabilities), np.array(maps)


def find_pairs(features: np.ndarray, label: np.ndarray) -> set[tuple[int, int]]:
    """Mutually nearest rows of the two classes, every face compared with every other."""
    no_pain, pain = np.flatnonzero(label == 0), np.flatnonzero(label == 1)
    distances = np.stack([np.sqrt(((features[pain] - features[row]) ** 2).sum(axis=1)) for row in no_pain])
    forward, backward = distances.argmin(axis=1), distances.argmin(axis=0)
    return {(int(no_pain[i]), int(pain[j])) for i, j in enumerate(forward) if backward[j] == i}
