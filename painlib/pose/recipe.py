"""How a DeepLabCut network is built and trained here: its pytorch_config, from a few settings."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from painlib.faults import PainlibError, did_you_mean

HEAT_MAP_STRIDE = 4  # px of the input a cell of the heat map; finer costs more and finds no more


def build_recipe(project: Any, config_path: Path, settings: dict[str, Any], crop: tuple[int, int]) -> Any:
    """DeepLabCut's configuration (`PoseConfig`) for `settings` of `train_pose` and crops of (width, height)
    px."""
    from deeplabcut.pose_estimation_pytorch.config import PoseConfig

    backbone = settings["backbone"]
    check_backbone(backbone)
    known = find_backbones()
    net_type = backbone if backbone in known else "resnet_50"
    config = PoseConfig.build(project, config_path, top_down=False, net_type=net_type).to_dict(normalize=True)
    if backbone not in known:
        _use_timm(config, backbone)
    epochs = settings["epochs"]
    config["train_settings"] |= {"batch_size": settings["batch"], "epochs": epochs, "seed": settings["seed"]}
    config["runner"] |= {
        "optimizer": {"type": "AdamW", "params": {"lr": settings["learning_rate"]}},
        "scheduler": {"type": "CosineAnnealingLR", "params": {"T_max": epochs}},
        # Never evaluated in between: the held-out frames must choose no epoch.
        "eval_interval": epochs + 1,
        "snapshots": {"max_snapshots": 1, "save_epochs": epochs, "save_optimizer_state": False},
    }
    config["data"]["train"]["crop_sampling"] |= {"width": crop[0], "height": crop[1]}
    if settings["pretrained"] == "no":
        _suit_random_start(config)
    bodyparts = list(config["metadata"]["bodyparts"])
    if {"right_eye", "left_eye"} <= set(bodyparts):
        pair = [bodyparts.index("right_eye"), bodyparts.index("left_eye")]
        config["data"]["train"]["hflip"] = {"p": 0.5, "symmetries": [pair]}
    return PoseConfig.from_dict(config)


def find_backbones() -> dict[str, Path]:
    """The backbones that DeepLabCut has recipes for, name -> recipe; found without importing it."""
    package = find_spec("deeplabcut")
    folder = Path(package.origin).parent if package and package.origin else Path()
    recipes = sorted((folder / "pose_estimation_pytorch" / "config" / "backbones").glob("*.yaml"))
    return {recipe.stem: recipe for recipe in recipes}


def check_backbone(name: str) -> None:
    """Raise `PainlibError` for a backbone that neither DeepLabCut nor timm knows."""
    known = list(find_backbones())
    if name in known:
        return
    import timm

    names = timm.list_models()
    if name not in names:
        raise PainlibError(
            f"Expected a backbone of DeepLabCut ({', '.join(known)}) or of timm, got '{name}'."
            f"{did_you_mean(name, [*known, *names])} Mend `pose_backbone`."
        )


def _suit_random_start(config: dict[str, Any]) -> None:
    """Ours, for short trainings from random weights; with published weights DeepLabCut's own losses, targets
    and scaling stand (the cosine schedule and mirrored frames are ours in either case).

    A few thousand steps bring likelihoods near 0 and 1 under cross entropy (DeepLabCut's older loss), and not
    under its default, a squared error. On drawn training animals, held out, 28 epochs, one seed, crop rules
    agreed with what is visible in 93 % of frames with plateaus of 8 px, 94 % with Gaussians of 12 px, 95 %
    with scaling held to +-20 % besides: one set-up films from one distance.
    """
    head = config["model"]["heads"]["bodypart"]
    # DeepLabCut's start (normal, 0.001) leaves no gradient behind more than one deconvolution.
    head["weight_init"] = None
    head["target_generator"] |= {"type": "HeatmapGaussianGenerator", "pos_dist_thresh": 12}
    head["criterion"] = {
        "heatmap": {"type": "WeightedBCECriterion", "weight": 1.0},
        "locref": {"type": "WeightedHuberCriterion", "weight": 0.05},
    }
    head["predictor"] |= {"apply_sigmoid": True, "clip_scores": False}
    config["data"]["train"]["gaussian_noise"] = False
    config["data"]["train"]["affine"]["scaling"] = [0.8, 1.2]


def write_first_weights(config: Any, path: Path, pretrained: bool) -> None:
    """Write the weights that training starts from: the backbone's published ones, or random ones.

    DeepLabCut 3.0.2 knows no random start of its own (its configuration's `pretrained: false` is overruled),
    but it takes any snapshot to start from.
    """
    import torch
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    name = config["model"]["backbone"]["model_name"]
    try:
        model = PoseModel.build(config["model"].to_dict(), pretrained_backbone=pretrained)
    except Exception as error:
        if not pretrained:
            raise
        raise PainlibError(
            f"The published weights of '{name}' could not be had ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). Connect this machine to the internet once, or copy the cache of "
            "another machine (folder hub of ~/.cache/huggingface), or set `pose_pretrained: no` to train "
            "from random weights, which needs many more labelled frames."
        ) from error
    torch.save({"model": model.state_dict(), "metadata": {"epoch": 0}}, path)


def _use_timm(config: dict[str, Any], name: str) -> None:
    """Put the ResNet `name` of timm into the configuration, with deconvolutions down to the heat map's
    stride."""
    import torch
    from deeplabcut.pose_estimation_pytorch.models.backbones import ResNet

    stride = 16
    try:
        backbone = ResNet(model_name=name, output_stride=stride)
        backbone.eval()
        with torch.inference_mode():
            features = backbone(torch.zeros(1, 3, 64, 64))
    except Exception as error:
        raise PainlibError(
            f"DeepLabCut 3.0.2 cannot build the timm network '{name}' ({str(error).splitlines()[0]}): it "
            "takes those that know `output_stride`, such as resnet10t, resnet18, resnet50. Mend "
            "`pose_backbone`."
        ) from error
    channels = int(features.shape[1])
    config["model"]["backbone"]["model_name"] = name
    config["model"]["backbone_output_channels"] = channels
    n_points = config["model"]["heads"]["bodypart"]["target_generator"]["num_heatmaps"]
    layers = (stride // HEAT_MAP_STRIDE).bit_length() - 1
    head = config["model"]["heads"]["bodypart"]
    # DeepLabCut's start (normal, 0.001) leaves no gradient behind more than one deconvolution.
    head["weight_init"] = None
    for part, out in (("heatmap_config", n_points), ("locref_config", 2 * n_points)):
        head[part] = {
            "channels": [channels, *[32] * (layers - 1), out],
            "kernel_size": [3] * layers,
            "strides": [2] * layers,
        }
