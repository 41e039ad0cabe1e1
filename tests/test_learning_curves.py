"""Trained our way (one warp, mixed precision, channels last) and the straightforward way: learned alike."""

import json

import numpy as np
import pytest
import torch
from leaky_cohorts import SETTINGS, draw_faces, leak_into
from PIL import Image
from scipy import stats
from sklearn.metrics import roc_auc_score
from torchvision import transforms
from torchvision.transforms import functional

from painlib.model import PainNet
from painlib.prediction import predict_faces
from painlib.training import choose_precision, train_classifier
from painlib.training.batches import draw_epoch, split_batches
from painlib.training.loop import SETTLING_FACES

N_TRAIN, N_ANIMALS, N_FACES, SEEDS = 6, 10, 50, (1, 2, 3)


def turn_plainly(crop: np.ndarray, angle_deg: float, mirrored: bool, px: int) -> torch.Tensor:
    """Pillow and torchvision, one step after the other: mirrored, turned, shrunk; (3, px, px), 0 to 255."""
    image = Image.fromarray(crop)
    if mirrored:
        image = functional.hflip(image)
    image = functional.rotate(image, angle_deg, transforms.InterpolationMode.BILINEAR)
    return functional.pil_to_tensor(functional.resize(image, [px, px], antialias=True))


def train_plainly(crops: np.ndarray, labels: np.ndarray, rows: np.ndarray, seed: int):
    """The same draws in the same order, in float32 and one image after the other; loss of each epoch."""
    torch.manual_seed(seed)
    net = PainNet(SETTINGS.channels, SETTINGS.head_widths, SETTINGS.input_px)
    optimizer = torch.optim.Adam(net.parameters(), lr=SETTINGS.learning_rate)

    def load(epoch: int, n_faces: int):
        draw = draw_epoch(rows, n_faces, SETTINGS.rotation_deg, SETTINGS.flip, seed, epoch)
        for batch in split_batches(n_faces, SETTINGS.batch):
            each = zip(draw.rows[batch], draw.angle_deg[batch], draw.mirrored[batch], strict=True)
            images = [turn_plainly(crops[row], angle, flip, SETTINGS.input_px) for row, angle, flip in each]
            yield torch.stack(images), torch.from_numpy(labels[draw.rows[batch]])

    losses = []
    for epoch in range(1, SETTINGS.epochs + 1):
        net.train()
        seen = []
        for images, answers in load(epoch, SETTINGS.faces_per_epoch):
            loss = torch.nn.functional.cross_entropy(net(images), answers)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(loss.item() * len(answers))
        losses.append(sum(seen) / SETTINGS.faces_per_epoch)
    settling = load(SETTINGS.epochs + 1, min(SETTINGS.faces_per_epoch, SETTLING_FACES))
    torch.optim.swa_utils.update_bn((images for images, _ in settling), net)
    return net.eval(), losses


@pytest.mark.verify
def test_our_way_learns_as_the_straightforward_way_does(capsys):
    """Three seeds of weights and draws, one cohort; AUC on animals that no network saw, mean over animals.

    Noise: what two means of three seeds differ by when nothing but the seed differs: 95 % of Student's t with
    the spread from seed to seed within both ways (at least 0.01, what a few faces make).
    """
    drawn = draw_faces(5, N_ANIMALS, N_FACES)
    inputs, labels = leak_into(drawn, None), (drawn.faces["label"] == "pain").to_numpy(int)
    held = np.flatnonzero(drawn.held_out(N_TRAIN))
    rows = np.flatnonzero(~drawn.held_out(N_TRAIN))
    subjects = drawn.faces["subject"].to_numpy()[held]
    told = []
    for seed in SEEDS:
        plain_net, plain_losses = train_plainly(drawn.crops, labels, rows, seed)
        ours = train_classifier(inputs, labels, rows, SETTINGS, seed)
        row = {"seed": seed, "precision": choose_precision(SETTINGS.precision, torch.device("cpu"))}
        for name, net, losses in (
            ("plain", plain_net, plain_losses),
            ("ours", ours.net, ours.history["loss"].tolist()),
        ):
            p = predict_faces(net, inputs[held], 256, "cpu")[:, 1]
            each = [
                roc_auc_score(labels[held][subjects == one], p[subjects == one])
                for one in np.unique(subjects)
            ]
            row[name] = {
                "loss": [round(loss, 3) for loss in losses],
                "auc": round(float(np.mean(each)), 4),
                "auc_of_animals": [round(float(auc), 3) for auc in each],
            }
        told.append(row)
    plain, ours = (np.array([row[name]["auc"] for row in told]) for name in ("plain", "ours"))
    spread = np.sqrt((plain.var(ddof=1) + ours.var(ddof=1)) / 2)
    noise = max(0.01, stats.t.ppf(0.975, 2 * len(SEEDS) - 2) * np.sqrt(2 / len(SEEDS)) * spread)
    difference = float((ours - plain).mean())
    curves = [np.mean([row[name]["loss"] for row in told], axis=0) for name in ("plain", "ours")]
    found = {"difference": round(difference, 4), "noise": round(float(noise), 4), "runs": told}
    with capsys.disabled():
        print(json.dumps(found))
    assert plain.mean() > 0.75, "there is something to learn"
    assert abs(difference) <= noise
    assert abs(curves[1] - curves[0]).max() < 0.1, "mean training loss, epoch by epoch"
