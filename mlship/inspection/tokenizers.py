"""Reads what the tokenizer files of a transformers folder say: limits, the mask, requirements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.errors import ModelError
from mlship.inspection.structured import read_json

_SENTENCEPIECE = (
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "sentencepiece.model",
)
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", *_SENTENCEPIECE)
# Names of the number of positions (``attribute_map`` of the configurations).
_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
# Their first position is the padding's index plus one (modeling_roberta.py, create_position_ids).
_SHIFTED = {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer", "mpnet",
            "roberta-prelayernorm", "data2vec-text", "luke", "ibert"}  # fmt: skip
# Relative positions: any length will do, memory permitting.
_MAX_LENGTH = 1 << 20


@dataclass(frozen=True)
class Tokenizer:
    """What a folder says about its tokenizer.

    Attributes:
        max_length: the most tokens that the model reads; 0 when there is no limit.
        mask: the token that stands for a word to guess.
        pads: whether it names a token to fill up the shorter texts of a batch.
        requirements: what it needs besides transformers.
    """

    max_length: int
    mask: str
    pads: bool
    requirements: tuple[str, ...]


def read_tokenizer(path: Path, config: dict[str, Any]) -> Tokenizer:
    """Return what the tokenizer in folder ``path`` needs; ``config`` is the model's.

    Raises:
        ModelError: there is no tokenizer, or its configuration is damaged.
    """
    if not any((path / name).is_file() for name in _VOCABULARIES):
        raise ModelError(
            f"{path.name} has no tokenizer",
            why="The service takes text, so it needs one of " + ", ".join(_VOCABULARIES) + ".",
            next="save it beside the model: tokenizer.save_pretrained('folder')",
        )
    settings = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (path / name).is_file():
            settings.update(read_json(path / name))
    mask = settings.get("mask_token")
    if isinstance(mask, dict):  # an AddedToken
        mask = mask.get("content")
    slow = not (path / "tokenizer.json").is_file()
    pieces = slow and any((path / name).is_file() for name in _SENTENCEPIECE)
    return Tokenizer(
        max_length=_max_length(settings, config),
        mask=mask if isinstance(mask, str) and mask else "[MASK]",
        pads=settings.get("pad_token") is not None,
        # protobuf reads the pieces where transformers makes a fast tokenizer of them.
        requirements=("sentencepiece>=0.2", "protobuf>=4") if pieces else (),
    )


def _max_length(settings: dict[str, Any], config: dict[str, Any]) -> int:
    """Return the smaller of the tokenizer's limit and the model's number of positions."""
    limits = [settings.get("model_max_length"), *(config.get(name) for name in _POSITIONS)]
    if config.get("model_type") in _SHIFTED:
        pad = config.get("pad_token_id", 1)
        shift = (pad if type(pad) is int and 0 <= pad < 8 else 1) + 1
        limits[1:] = [limit - shift if type(limit) is int else limit for limit in limits[1:]]
    # A tokenizer without a limit says 1e30.
    found = [limit for limit in limits if type(limit) is int and 8 <= limit <= _MAX_LENGTH]
    return min(found, default=0)
