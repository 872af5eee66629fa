"""The training protocol: everything that decides what number a training gives, as a versioned TOML."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from metanas import published
from metanas.errors import UnknownNameError
from metanas.nets.skeleton import Skeleton
from metanas.toml import checked, read_toml

_FOLDER = "benchmark_data/protocols"

Positive = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Part):
    """The skeleton around the cells; see :class:`metanas.nets.skeleton.Skeleton`.

    Attributes:
        resolution: height and width that images are resized to; sequences keep their length.
    """

    resolution: Positive
    channels: Positive
    stages: Positive = 3
    cells: Positive = 1
    stem_kernel: Literal[1, 3] = 3


class Augmentation(_Part):
    """Random changes of the training examples, drawn anew for each example each time; see :mod:`metanas.augmentation`.

    Attributes:
        shift: images are moved by up to this part of their size along each axis, sequences by up to this part of
            their length.
        rotate: images are turned by up to so many degrees.
        scale: images are enlarged or reduced by a factor up to ``1 + scale``.
        drop: each position of a sequence is set to zero with this chance.
    """

    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: Annotated[float, Field(ge=0, le=1)] = 0.0
    drop: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Training(_Part):
    """Stochastic gradient descent with Nesterov momentum; linear warm-up, then a cosine down to 0, step by step.

    Attributes:
        examples: training examples shown in an epoch (whole batches of them). An epoch is a unit of cost, the same for
            every task: passes over the task's training rows, each in a new order, go on from epoch to epoch.
        epochs: number of epochs; after each, validation and test are evaluated.
        evaluated: at most so many validation rows and so many test rows are evaluated, the same for all.
        warmup: part of all steps with a rising rate.
        label_smoothing: of the training loss; the cross-entropies reported are without it.
        averaging: decay of an exponential average of weights and batch statistics over the steps, which is what is
            evaluated; 0 evaluates the last weights.
        augmentation: random changes of the training examples.
    """

    examples: Positive
    epochs: Positive
    evaluated: Positive = 4000
    batch: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augmentation: Augmentation = Augmentation()


class Protocol(_Part):
    """A training protocol.

    Attributes:
        block_size: how many architectures are trained at once. A network does not depend on what is trained beside
            it but for rounding, so the size belongs to what makes a value reproducible to the bit.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+-v[1-9][0-9]*$")]
    block_size: Positive
    network: Network
    training: Training
    text: str = Field(default="", repr=False)

    @property
    def sha256(self) -> str:
        """Hash of the TOML text, part of the identity of every table made by it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return self.training.epochs

    def skeleton(self, shape: tuple[int, ...], n_classes: int) -> Skeleton:
        """Return the skeleton for a task's examples of ``shape``, ``(C, H, W)`` or ``(C, L)`` before any resizing."""
        net = self.network
        entering = (shape[0], net.resolution, net.resolution) if len(shape) == 3 else shape
        return Skeleton(entering, n_classes, net.channels, net.stages, net.cells, net.stem_kernel)


def read_protocol(path: Path) -> Protocol:
    """Read a protocol's TOML; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    content = read_toml(path)
    return checked({**content, "text": path.read_text(encoding="utf-8")}, Protocol, path, "training protocol")


def protocol_names() -> tuple[str, ...]:
    """Return the names of the published protocols, of all places that have any, sorted."""
    return tuple(published.files(_FOLDER, ".toml"))


def load_protocol(name: str) -> Protocol:
    """Return a published protocol by its name, or one from a ``.toml`` file by its path."""
    if name.endswith(".toml") and Path(name).is_file():
        return read_protocol(Path(name))
    files = published.files(_FOLDER, ".toml")
    if name not in files:
        raise UnknownNameError("training protocol", name, files)
    return read_protocol(files[name])
