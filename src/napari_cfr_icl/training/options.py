"""Every choice of a training run: one frozen object, made from a TOML file and command-line values.

`TrainOptions` holds one section for each subject. Each option carries its own help and limits, so
that the recipe file, the command line and a form can all be made from the same declaration.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import Options, option
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL

ZERO_TO_ONE = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class DataOptions(Options):
    """Objects that are shown, and the windows they are shown in."""

    side: int = option(320, "rows and columns that the network sees", (32, 2048))
    min_area: int = option(40, "smallest object to train on, in pixels", (1, 1e9))
    merge: float = option(
        0.15, "share of samples in which two objects are wanted as one", ZERO_TO_ONE
    )
    field: float = option(0.3, "share of samples that show a whole field", ZERO_TO_ONE)
    field_side: int = option(800, "longest side of a whole field, in image pixels", (32, 1e5))
    zoom: tuple[float, ...] = option(
        (1.2, 5.0), "window side over object side, from .. to", (1, 50)
    )
    min_side: int = option(48, "smallest side of a window, in image pixels", (8, 1e5))
    held_out: float = option(0.15, "share of images held out where none are given", (0, 0.9))
    ignored_id: int = option(
        0, "id of pixels whose truth is unknown, as those below 0 are; 0: there is none", (0, 2**31)
    )
    weights: tuple[float, ...] = option(
        (), "share of samples from each collection; none: by size", (0, 1e6)
    )
    cache_gib: float = option(4.0, "memory for images that are kept ready, in GiB", (0, 1e4))
    workers: int = option(-1, "threads that prepare batches; -1 chooses", (-1, 256))

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if len(self.zoom) != 2 or self.zoom[0] > self.zoom[1]:
            raise SettingsError(f"zoom must be two numbers in order, not {list(self.zoom)}.")
        if self.weights and not any(self.weights):
            raise SettingsError("data.weights must hold a weight above 0, or nothing.")


@dataclass(frozen=True, slots=True)
class ClickOptions(Options):
    """Simulation of the clicks that a sample starts with."""

    max_clicks: int = option(24, "most clicks of each kind", (1, 100))
    gamma: float = option(0.8, "how likely one click more is, against one less", ZERO_TO_ONE)
    erode: float = option(0.9, "how often positive clicks keep off the rim", ZERO_TO_ONE)
    centre_start: float = option(
        0.0, "share of samples that start with one central click", ZERO_TO_ONE
    )
    rough_start: float = option(
        0.0, "share of samples that start with a rough box or lasso", ZERO_TO_ONE
    )


@dataclass(frozen=True, slots=True)
class IclOptions(Options):
    """Iterative Click Loss: which outputs on the way are trained, and how much."""

    enabled: bool = option(True, "train every output; else the last one alone")
    weights: tuple[float, ...] = option((1.0, 2.0, 3.0), "weight of each output in turn", (0, 1e3))
    first_pass: str = option(
        "code",
        "code: the first output is trained and the number is random; paper: neither",
        choices=("code", "paper"),
    )
    max_untrained_passes: int = option(3, "passes before the trained one, without ICL", (0, 20))
    cascade: float = option(
        0.0, "how often a pass follows without a new click, as CFR's passes do", ZERO_TO_ONE
    )

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if self.enabled and not any(self.weights[-1:]):
            raise SettingsError(
                f"icl.weights must end with a weight above 0, not be {list(self.weights)}: outputs "
                "after the last one that is trained would be computed for nothing."
            )
        if self.enabled and self.first_pass == "code" and self.weights[0] == 0:
            raise SettingsError(
                f"icl.weights must begin with a weight above 0, not be {list(self.weights)}: steps "
                "of one output would train nothing. For a first output that is not trained, set "
                'icl.first_pass to "paper".'
            )


@dataclass(frozen=True, slots=True)
class SuemOptions(Options):
    """SUEM copy-paste: how often each stage falls, and how."""

    simple: float = option(0.5, "how often the object is pasted on another picture", ZERO_TO_ONE)
    paste: float = option(0.5, "how often another object is pasted (exclusion, union)", ZERO_TO_ONE)
    mix: float = option(0.5, "how often two pictures are blended", ZERO_TO_ONE)
    translucent: bool = option(True, "simple pastes are translucent (the public code), else opaque")
    object_mixing: bool = option(True, "paste ghosts of objects as well (the public code)")
    place: float = option(
        0.0, "how far a pasted object may move, as a share of the side", ZERO_TO_ONE
    )
    scale: float = option(0.0, "how far it may grow or shrink: 0.5 is up to 1.5 times", (0, 3))
    min_visible: int = option(20, "pixels of the wanted object that must stay", (0, 1e6))


@dataclass(frozen=True, slots=True)
class AugmentOptions(Options):
    """Changes of the picture that leave the answer the same."""

    flip: float = option(0.5, "how often mirrored", ZERO_TO_ONE)
    rotate: bool = option(True, "turn by quarters")
    brightness: float = option(0.25, "largest fading to black or white", ZERO_TO_ONE)
    contrast: float = option(0.4, "largest stretch: 0.4 is 1.4 times or its inverse", (0, 5))
    gamma: float = option(0.3, "largest exponent: 0.3 is 1.3 or its inverse", (0, 5))
    colour: float = option(
        0.04, "largest shift of one channel, as a share of the range", ZERO_TO_ONE
    )
    grey: float = option(0.05, "how often without colour", ZERO_TO_ONE)
    invert: float = option(0.0, "how often as a negative", ZERO_TO_ONE)
    noise: float = option(
        0.03, "largest noise (standard deviation), as a share of the range", ZERO_TO_ONE
    )
    blur: float = option(0.5, "largest blur, and sharpening: 1 is a full small blur", ZERO_TO_ONE)


@dataclass(frozen=True, slots=True)
class OptimizerOptions(Options):
    """The optimizer and its learning rates."""

    name: str = option("adamw", "adam takes no weight decay", choices=("adamw", "adam"))
    rate: float = option(2e-4, "highest learning rate", (0, 1))
    weight_decay: float = option(0.01, "for adamw", (0, 1))
    backbone_rate: float = option(0.5, "rate of the backbone over that of the head", (0, 10))
    layer_decay: float = option(1.0, "rate of a layer over that of the next (ViT)", (0.1, 1))
    encoder: str = option(
        "whole",
        "image encoder of SAM's family: whole learns, frozen stays, lora learns adapters alone",
        choices=("whole", "frozen", "lora"),
    )
    lora_rank: int = option(4, "rank of the adapters", (1, 256))
    frozen: tuple[str, ...] = option((), "beginnings of names of parameters that stay")
    norms: str = option(
        "frozen",
        "frozen: batch norms use and keep the base model's statistics; batch: those of the batch",
        choices=("frozen", "batch"),
    )
    dropout: bool = option(False, "drop out as the network was built to")
    clip: float = option(1.0, "largest gradient norm; 0: none", (0, 1e6))
    ema: float = option(0.995, "memory of the averaged weights per step; 0: none", (0, 0.99999))


@dataclass(frozen=True, slots=True)
class ScheduleOptions(Options):
    """Steps, batch and micro-batch size, and precision."""

    steps: int = option(1000, "updates of the weights", (1, 1e9))
    batch: int = option(8, "samples per update, over all processes", (1, 1e5))
    micro_batch: int = option(
        0, "samples at once; 0: as many as fit on a GPU, 8 on a CPU", (0, 1e5)
    )
    warm_up: float = option(0.05, "share of the steps over which the rate rises", ZERO_TO_ONE)
    final_rate: float = option(0.02, "rate at the end over the highest; 1: it stays", ZERO_TO_ONE)
    precision: str = option(
        "auto", "of forward and backward", choices=("auto", "float32", "bfloat16")
    )
    checkpointing: bool = option(False, "compute activations twice to save memory")


@dataclass(frozen=True, slots=True)
class ValidationOptions(Options):
    """The robot user on held-out objects."""

    every: int = option(200, "steps between two rounds; 0: never", (0, 1e9))
    objects: int = option(60, "most objects", (1, 1e6))
    max_clicks: int = option(10, "most clicks for each", (1, 100))
    target: float = option(0.9, "IoU whose number of clicks decides", (0.5, 0.99))
    preset: str = option("interactive", "settings of the engine: a preset, or a settings file")
    precision: str = option(
        "auto", "of the network while it is measured", choices=("auto", "float32", "bfloat16")
    )
    scheme: str = option("preset", "std, cfr-N, a-cfr-N, or the preset's own")
    min_area: int = option(150, "smallest object, in pixels", (1, 1e9))
    gate_objects: int = option(
        200, "objects on which base and result are compared; 0: no gate", (0, 1e6)
    )
    patience: int = option(0, "rounds without a better one before it stops; 0: never", (0, 1e6))


@dataclass(frozen=True, slots=True)
class FeatureOptions(Options):
    """Features of a frozen encoder, kept on disk, so that a step costs the decoder alone."""

    gib: float = option(0.0, "disk space for them, in GiB; 0: every step encodes", (0, 1e5))
    objects: int = option(4, "most objects that are trained on from one crop", (1, 100))
    uses: float = option(8.0, "samples from a crop before another takes its place", (1, 1e6))


@dataclass(frozen=True, slots=True)
class TrainOptions(Options):
    """All options of a run. `sections` of a recipe file are the fields here."""

    base: str = option(DEFAULT_MODEL, "model to start from: a name, or a file")
    seed: int = option(0, "decides everything that is left to chance")
    checkpoint_every: int = option(100, "steps between two checkpoints")
    data: DataOptions = field(default_factory=DataOptions)
    clicks: ClickOptions = field(default_factory=ClickOptions)
    icl: IclOptions = field(default_factory=IclOptions)
    suem: SuemOptions = field(default_factory=SuemOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    features: FeatureOptions = field(default_factory=FeatureOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
