"""The typed configuration: every key with its type, its range and its part in `config_id`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args


@dataclass(frozen=True, slots=True)
class Within:
    """A range of a number: a text that follows "a number" in a sentence, and a test."""

    text: str
    test: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class NameIn:
    """The name of an entry of a file in `conf/`, or several names joined by `+`."""

    file: str
    several: bool = False
    also: tuple[str, ...] = ()
    """Values that are not entries of the file."""


Count = Annotated[int, Within("of at least 1", lambda v: v >= 1)]
LayerCount = Annotated[int, Within("of at least 0", lambda v: v >= 0)]
Seed = Annotated[int, Within("from 0 to 4294967295", lambda v: 0 <= v < 2**32)]
Fraction = Annotated[float, Within("from 0 to 1", lambda v: 0 <= v <= 1)]
BelowOne = Annotated[float, Within("from 0 to below 1", lambda v: 0 <= v < 1)]
NotNegative = Annotated[float, Within("of at least 0", lambda v: v >= 0)]
Positive = Annotated[float, Within("above 0", lambda v: v > 0)]
Rate = Annotated[float, Within("above 0, at most 1", lambda v: 0 < v <= 1)]

NOT_IN_ID: Mapping[str, Any] = {"in_id": False}
"""Metadata of a field or group that cannot change the result of a run, or whose content is hashed
in place of its value."""


def neutral(value: object) -> Mapping[str, Any]:
    """Return the metadata of a field that changes nothing at this value.

    At its neutral value a key is left out of `config_id`, so that a new key does not change the ids
    of records from before it existed.
    """
    return {"neutral": value}


RELATIVE: Mapping[str, Any] = {"relative": True}
"""Metadata of a number that an override may also give as a multiple of the files' value: `0.5x`."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Source of the task's rows, and the longest example in tokens."""

    # config_id has the content of the data instead of its address
    source: str = field(metadata=NOT_IN_ID)
    revision: str | None = field(metadata=NOT_IN_ID)
    max_length: Annotated[int, Within("of at least 8", lambda v: v >= 8)]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The pre-trained model."""

    # config_id has the content of the model instead of its address
    name: str = field(metadata=NOT_IN_ID)
    revision: str | None = field(metadata=NOT_IN_ID)
    # config_id has the settings that this brings
    like: Annotated[str, NameIn("models", also=("auto", "none"))] = field(metadata=NOT_IN_ID)


@dataclass(frozen=True, slots=True)
class ReinitConfig:
    """Weights to re-initialize before training."""

    num_layers: LayerCount
    skip: LayerCount = field(metadata=neutral(0))
    pooler: bool


@dataclass(frozen=True, slots=True)
class NoiseConfig:
    """Noise on the pre-trained weights before training."""

    intensity: NotNegative = field(metadata=neutral(0.0))


@dataclass(frozen=True, slots=True)
class IntermediateConfig:
    """Intermediate task to fine-tune on first."""

    task: Annotated[str, NameIn("tasks")] | None = field(metadata=neutral(None))


@dataclass(frozen=True, slots=True)
class MixoutConfig:
    """Mixing of trained weights with pre-trained ones."""

    p: BelowOne = field(metadata=neutral(0.0))
    mask: Literal["neuron", "weight"] = field(metadata=neutral("neuron"))


@dataclass(frozen=True, slots=True)
class TrainableConfig:
    """The part of the model that is trained."""

    patterns: tuple[str, ...] = field(metadata=neutral(()))
    top_layers: LayerCount | None = field(metadata=neutral(None))


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """Adapters on the encoder, which are trained with `trainable`."""

    kind: Literal["lora", "ia3"] | None = field(metadata=neutral(None))
    rank: Count = field(metadata=neutral(8))
    alpha: Positive = field(metadata=neutral(16.0))


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """Linear probe that initializes the head."""

    l2: NotNegative | None = field(metadata=neutral(None))


@dataclass(frozen=True, slots=True)
class RDropConfig:
    """Divergence between two dropout passes of one step (R-Drop)."""

    alpha: NotNegative = field(metadata=neutral(0.0))


@dataclass(frozen=True, slots=True)
class SamConfig:
    """Gradient at the nearby weights of the highest loss (SAM)."""

    rho: NotNegative = field(metadata=neutral(0.0))


@dataclass(frozen=True, slots=True)
class EmaConfig:
    """Moving average of the weights."""

    decay: BelowOne | None = field(metadata=neutral(None))


@dataclass(frozen=True, slots=True)
class SwaConfig:
    """Mean of late weights at a constant learning rate."""

    start: Fraction = field(metadata=neutral(1.0))


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """Adam, its schedule and gradient clipping."""

    lr: Rate = field(metadata=RELATIVE)
    bias_correction: Literal[True, False, "second_moment", "learning_rate"]
    betas: tuple[BelowOne, BelowOne]
    eps: Positive
    weight_decay: NotNegative
    decay_to: Literal["zero", "start"] = field(metadata=neutral("zero"))
    layer_decay: Rate = field(metadata=neutral(1.0))
    warmup: Fraction
    clip_norm: Positive
    clip_by: Literal["model", "component"] = field(metadata=neutral("model"))
    matrices: Literal["adam", "muon"] = field(metadata=neutral("adam"))


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """Length, batches and precision of training; `epochs` or `max_steps` is always None."""

    epochs: Count | None
    max_steps: Count | None
    batch_size: Count
    accumulate: Count
    eval_batch_size: Count
    evaluations: Count
    precision: Literal["auto", "16-mixed", "bf16-mixed", "32-true"]
    packing: Literal["auto", "captured", "packed", "padded"]
    accelerator: Literal["auto", "cpu", "cuda"] = field(metadata=NOT_IN_ID)
    select_by: str | None
    threads: Count | None = field(metadata=NOT_IN_ID)
    keep_weights: bool = field(metadata=NOT_IN_ID)
    checkpoint_minutes: Positive | None = field(metadata=NOT_IN_ID)


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """Measurements during training, which change no number."""

    bias_ratio: bool
    weight_change: bool
    representation_change: bool
    file: str | None


@dataclass(frozen=True, slots=True)
class WandbConfig:
    """The mirror in Weights & Biases."""

    mode: Literal["auto", "disabled", "offline", "online"]
    project: str
    entity: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathsConfig:
    """Folders to write to."""

    runs: str
    cache: str | None


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that decides one run. Defaults, units and sources: `conf/base.yaml`."""

    task: Annotated[str, NameIn("tasks")]
    method: Annotated[str, NameIn("methods", several=True)]
    length: Literal["3epochs", "longer"]
    scale: Annotated[str, NameIn("scales")]
    seed: Seed = field(metadata=NOT_IN_ID)
    seed_init: Seed | None = field(metadata=NOT_IN_ID)
    seed_data: Seed | None = field(metadata=NOT_IN_ID)
    force: bool = field(metadata=NOT_IN_ID)
    data: DataConfig
    model: ModelConfig
    reinit: ReinitConfig
    noise: NoiseConfig
    intermediate: IntermediateConfig
    mixout: MixoutConfig
    trainable: TrainableConfig
    adapter: AdapterConfig
    probe: ProbeConfig
    rdrop: RDropConfig
    sam: SamConfig
    ema: EmaConfig
    swa: SwaConfig
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    monitor: MonitorConfig = field(metadata=NOT_IN_ID)
    wandb: WandbConfig = field(metadata=NOT_IN_ID)
    paths: PathsConfig = field(metadata=NOT_IN_ID)

    @property
    def init_seed(self) -> int:
        """Seed of the weights that are drawn before training: head, Re-init, noise, adapters."""
        return self.seed if self.seed_init is None else self.seed_init

    @property
    def data_seed(self) -> int:
        """Seed of data order, dropout and masks."""
        return self.seed if self.seed_data is None else self.seed_data


@dataclass(frozen=True, slots=True)
class Key:
    """The type of one dotted key, and its metadata (`NOT_IN_ID`, `neutral`, `RELATIVE`)."""

    hint: Any
    optional: bool
    metadata: Mapping[str, Any]


def _keys(
    config: type, prefix: str = "", group_metadata: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for entry in fields(config):
        metadata = {**group_metadata, **entry.metadata}
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            keys |= _keys(entry.type, f"{prefix}{entry.name}.", metadata)
        else:
            args = get_args(entry.type)
            optional = type(None) in args
            hint = args[0] if optional else entry.type
            keys[prefix + entry.name] = Key(hint, optional, metadata)
    return keys


KEYS = _keys(RunConfig)


RETIRED_KEYS = {
    "trainer.devices": (
        "a run uses one device; choose it with CUDA_VISIBLE_DEVICES, and start one run per GPU "
        "(`stablebert grid` and `stablebert agent` do)"
    ),
}
"""Keys that no longer exist, with advice."""
