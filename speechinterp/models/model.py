"""SpeechModel: a Hugging Face module with one set of names for all families."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from speechinterp.corpora.utterance import Utterance
from speechinterp.frames import FrameGrid
from speechinterp.models.decoding import transcribe
from speechinterp.models.family import Family, Inputs
from speechinterp.models.heads import check_head, has_head
from speechinterp.models.loading import family_of
from speechinterp.models.sounds import Heard, check_sound, prepared
from speechinterp.models.tapping import intervening, parts_of, recording
from speechinterp.models.taps import Recording, Stack, Tap
from speechinterp.models.twins import exact, random_twin
from speechinterp.models.vocabulary import Vocabulary, vocabulary_of
from speechinterp.models.weights import weights_hash

__all__ = ["Form", "Heard", "SpeechModel"]

Form = Literal["raw", "normed"]


class SpeechModel:
    """A speech model of any supported family.

    Parameters
    ----------
    module
        A Hugging Face module. Its training mode is kept and only set aside while it runs.
    id
        What results call it: hub id, folder name, or a name of one's own.
    preprocessor
        The content of its `preprocessor_config.json`.
    revision
        Revision on the hub, if it came from there.

    Raises
    ------
    ModelError
        If the module is of an unknown family.
    """

    def __init__(
        self,
        module: nn.Module,
        id: str = "unnamed",
        preprocessor: Mapping[str, Any] | None = None,
        revision: str | None = None,
    ) -> None:
        self.module = module
        self.id = id
        self.revision = revision
        self.preprocessor = dict(preprocessor or {})
        self.family: Family = family_of(module, self.preprocessor)
        self.baseline: str = "none"
        self.seed: int | None = None
        self.checkpoint: tuple[Path, ...] = ()
        self.reload: Callable[[], SpeechModel] | None = None
        self.read_tokenizer: Callable[[], Any] | None = None
        self._recordings: list[Recording] = []
        self._edited: list[list[Tap]] = []

    @property
    def grid(self) -> FrameGrid:
        """Time geometry of the encoder's frames, without a number of frames."""
        return self.family.grid

    @property
    def sample_rate(self) -> int:
        """Sample rate of the input in Hz."""
        return self.grid.sample_rate

    @property
    def n_layers(self) -> int:
        """Number of transformer layers of the encoder; there is one state more."""
        return len(self.family.blocks("encoder"))

    @property
    def n_states(self) -> int:
        """Number of states: the input of every layer and the output of the last."""
        return self.n_layers + 1

    @property
    def width(self) -> int:
        """Dimensions of a state."""
        return int(self.family.config.hidden_size)

    @property
    def pre_norm(self) -> bool:
        """Whether a layer normalises its input (large models, Whisper) or its output (base models)."""
        return self.family.pre_norm

    @property
    def has_head(self) -> bool:
        """Whether there is a CTC, classification or decoder head, and so :meth:`logits`."""
        return has_head(self.module)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return next(self.module.parameters()).dtype

    @property
    def weights_hash(self) -> str:
        """SHA-256 of all weights with their names."""
        return weights_hash(self.module)

    def frames(self, heard: Heard | int) -> FrameGrid:
        """Return the frames of an utterance, a waveform, or a number of samples at the model's rate."""
        if isinstance(heard, Utterance):
            heard = len(heard.waveform(self.sample_rate))
        n_samples = int(heard) if isinstance(heard, int | np.integer) else len(heard)
        return self.grid.with_frames(self.family.n_frames(n_samples))

    def batch_limit(self, seconds: float) -> int:
        """Return how many utterances to run at once if the longest has this many seconds."""
        return self.family.batch_limit(seconds)

    def prepare(self, heard: Sequence[Heard]) -> Inputs:
        """Turn utterances or waveforms at the model's sample rate into one padded batch.

        Raises
        ------
        AudioError
            If one is shorter than a frame, longer than the model's window, or not a sound at all.
        """
        return prepared(self.family, self.id, heard, self.device, self.dtype)

    def check_sound(self, name: str, waveform: Tensor | npt.NDArray[np.float32]) -> None:
        """Raise AudioError if the model cannot take a sound: its type, length, channels or values."""
        check_sound(self.family, self.id, name, waveform)

    def encode(self, inputs: Inputs) -> Tensor:
        """Run the encoder; return its output, after the last norm [shape=(batch, time, width)]."""
        with self.running(inputs):
            return self.family.encode(inputs)

    def logits(self, inputs: Inputs, tokens: Tensor | None = None) -> Tensor:
        """Run the whole model.

        Returns
        -------
        Tensor
            CTC head: [shape=(batch, time, vocabulary)]; classification head: [shape=(batch, classes)];
            decoder: [shape=(batch, tokens, vocabulary)] for the `tokens` given.

        Raises
        ------
        ModelError
            If the model has no head.
        TapError
            If a written residual stream would not reach the head.
        """
        check_head(self.module, self.id, [tap for taps in self._edited for tap in taps])
        with self.running(inputs):
            return self.family.logits(inputs, tokens)

    @torch.no_grad()
    def states(self, heard: Sequence[Heard], form: Form = "raw") -> list[Tensor]:
        """Return the encoder's states of every utterance, layer by layer.

        Parameters
        ----------
        heard
            Utterances, or waveforms at the model's sample rate; one batch.
        form
            ``raw``: the residual stream, layer 0 being the input of the first transformer layer and
            layer L the output of the last. ``normed``: the same, but layer L after the encoder's last norm,
            which is what a head or decoder reads. Post-norm models have no such norm and both are equal.

        Returns
        -------
        list of Tensor
            For each utterance [shape=(layers + 1, frames, width)].

        Notes
        -----
        The Hugging Face `hidden_states` mean the one or the other by family: the last of Whisper's is normed,
        the last of a pre-norm wav2vec2's is raw.
        """
        inputs = self.prepare(heard)
        taps = [Tap(layer, "residual") for layer in range(self.n_layers + (form == "raw"))]
        with self.record(taps) as record:
            output = self.encode(inputs)
        layers = [record[tap] for tap in taps] + ([output] if form == "normed" else [])
        return [
            torch.stack([layer[i, :n] for layer in layers]).to(torch.float32)
            for i, n in enumerate(inputs.n_frames)
        ]

    def read_out(self, states: Tensor, stack: Stack = "encoder") -> Tensor:
        """Read raw residual states of any layer as the model reads those of its last one.

        Parameters
        ----------
        states
            Of the encoder (CTC models) or of the decoder [shape=(..., width)].
        stack
            Which of the two they come from.

        Returns
        -------
        Tensor
            Logits, after the stack's last norm, if it has one, and the head [shape=(..., vocabulary)].

        Raises
        ------
        ModelError
            If no head reads this stack frame by frame.
        """
        return self.family.read_out(states, stack)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the symbols of the CTC head or of the decoder stand for."""
        return vocabulary_of(self)

    @overload
    def transcribe(self, heard: Heard) -> str: ...
    @overload
    def transcribe(self, heard: Sequence[Heard]) -> list[str]: ...
    def transcribe(self, heard: Heard | Sequence[Heard]) -> str | list[str]:
        """Write down what is said, taking the best symbol at every step; a list of sounds gives a list of texts."""
        if isinstance(heard, Utterance | np.ndarray | Tensor):
            return transcribe(self, [heard])[0]
        return transcribe(self, heard)

    @contextmanager
    def running(self, inputs: Inputs) -> Iterator[None]:
        """Set up a run of the module on a batch: in evaluation mode, exact on GPUs, its lengths known to recordings."""
        for record in self._recordings:
            record.n_frames = inputs.n_frames
        training = [module for module in self.module.modules() if module.training]
        coarse = torch.backends.cudnn.allow_tf32  # by default, convolutions on a GPU are off by 1e-3
        torch.backends.cudnn.allow_tf32 = False
        for module in training:
            module.training = False
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = coarse
            for module in training:
                module.training = True

    def parts(self, stack: Stack = "encoder") -> list[str]:
        """Return the names of the parts that taps can name in a stack."""
        return parts_of(self.family, stack)

    @contextmanager
    def record(self, taps: Sequence[Tap]) -> Iterator[Recording]:
        """Record what taps see in the runs inside the block; the last run stays.

        Blocks can be nested. Inside a block of :meth:`intervene` the changed values are seen, around it
        those that were there before. Gradients with respect to recorded tensors are those of the model,
        except for the attention weights, which are computed beside it.

        Raises
        ------
        TapError
            If a tap names a place the model does not have, or is never reached.

        Examples
        --------
        >>> with model.record([Tap(3, "value")]) as record:  # doctest: +SKIP
        ...     model.encode(model.prepare([utterance]))
        >>> record[Tap(3, "value")].shape  # doctest: +SKIP
        torch.Size([1, 149, 12, 64])
        """
        with recording(self.family, taps) as record:
            self._recordings.append(record)
            try:
                yield record
            finally:
                self._recordings.remove(record)

    @contextmanager
    def intervene(self, edits: Mapping[Tap, Callable[[Tensor], Tensor] | Tensor]) -> Iterator[None]:
        """Change what taps carry in the runs inside the block; where blocks are nested, the outer one goes first.

        Parameters
        ----------
        edits
            For every tap a function from its tensor to a new one of the same shape, or that tensor.

        Raises
        ------
        TapError
            If a place does not exist, is read only, is never reached, or the new tensor has another shape.

        Examples
        --------
        >>> with model.intervene({Tap(3, "value", head=2): torch.zeros_like}):  # doctest: +SKIP
        ...     changed = model.encode(inputs)
        """
        with intervening(self.family, edits):
            self._edited.append(list(edits))
            try:
                yield
            finally:
                self._edited.pop()

    def random_twin(self, seed: int = 0) -> SpeechModel:
        """Return a model of the same architecture with freshly initialised weights, the control for training."""
        return random_twin(self, seed)

    def exact(self) -> SpeechModel:
        """Return the model in float32, to measure by how much a coarser number format is off.

        It is made again from where it came from, since weights that were rounded stay so; a module that was
        passed in by hand is converted. A model that is float32 or finer is returned as it is.
        """
        return exact(self)

    def describe(self) -> dict[str, Any]:
        """Return what a result must record of the model."""
        return {
            "model": self.id,
            "revision": self.revision,
            "baseline": self.baseline,
            "init_seed": self.seed,
            "class": type(self.module).__name__,
            "weights_sha256": self.weights_hash,
            "dtype": str(self.dtype).removeprefix("torch."),
            "norm": "pre" if self.pre_norm else "post",
            "grid": self.grid.describe(),
            **self.family.settings(),
        }

    def __repr__(self) -> str:
        norm = "pre-norm" if self.pre_norm else "post-norm"
        return f"SpeechModel({self.id!r}, {type(self.module).__name__}, {self.n_layers} layers, {norm})"
