"""What a model is, as far as its name tells (wire 5)."""

import re
from dataclasses import dataclass

_LIVE = re.compile(r"gemini-.*(live|native-audio|transcribe|robotics.*streaming)")
_GENERATION = re.compile(r"\d+\.\d+")
_VERTEX_NAME = re.compile(
    r"(?:projects/[^/]+/locations/(?P<location>[^/]+)/)?publishers/google/models/(?P<id>[^/]+)"
)
_GEMINI_NAME = re.compile(r"(?:models|tunedModels)/(?P<id>[^/]+)")


@dataclass(frozen=True, slots=True)
class Model:
    """A live model and its quirks."""

    id: str
    location: str | None = None
    """Where it runs, on Vertex."""

    @property
    def generation(self) -> str:
        """The version in the name, as in `3.8`; empty if there is none."""
        match = _GENERATION.search(self.id)
        return match[0] if match else ""

    @property
    def extended_thinking(self) -> bool:
        """Whether it thinks for long, and ends several turns for one prompt."""
        return "extended-thinking" in self.id

    @property
    def native_audio(self) -> bool:
        """Whether it hears and speaks without text between."""
        return "native-audio" in self.id

    @property
    def modalities(self) -> frozenset[str]:
        """The response modalities it can be asked for."""
        if "transcribe" in self.id or "robotics" in self.id:
            return frozenset({"TEXT"})
        if self.native_audio or self.generation.startswith("3."):
            return frozenset({"AUDIO"})
        return frozenset({"AUDIO", "TEXT"})

    @property
    def calls_block(self) -> bool:
        """Whether a function without a stated behaviour holds the turn up."""
        return self.generation != "3.8"

    @property
    def always_blocks(self) -> bool:
        """Whether NON_BLOCKING is taken and means nothing."""
        return self.generation == "3.1"

    @property
    def plausible(self) -> bool:
        """Whether the name looks like that of a live model."""
        return _LIVE.match(self.id) is not None


def model_of(name: str, *, vertex: bool) -> Model | None:
    """Return the model of a resource name, None if the name is not of the backend's form."""
    match = (_VERTEX_NAME if vertex else _GEMINI_NAME).fullmatch(name)
    if match is None:
        return None
    return Model(match["id"], match["location"] if vertex else None)
