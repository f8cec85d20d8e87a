"""Reads a folder that transformers saved: configuration, safetensors weights and tokenizer.

File names and keys: transformers' ``configuration_utils.py`` and ``tokenization_utils_base.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlship.card import Feature, Import, ModelCard
from mlship.errors import ModelError
from mlship.inspection.safetensors import Header, read_header
from mlship.inspection.structured import read_json
from mlship.inspection.tokenizers import Tokenizer, read_tokenizer
from mlship.inspection.torch_notes import TORCH_BUILDS

# The head's class name ends so: its task, and the class that loads it (modeling_auto.py).
_TASKS = {
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForMaskedLM": ("fill-mask", "AutoModelForMaskedLM"),
    "ForCausalLM": ("text-generation", "AutoModelForCausalLM"),
    "LMHeadModel": ("text-generation", "AutoModelForCausalLM"),
    "ForConditionalGeneration": ("text2text-generation", "AutoModelForSeq2SeqLM"),
    "MTModel": ("text2text-generation", "AutoModelForSeq2SeqLM"),
    "Model": ("feature-extraction", "AutoModel"),
}
# Those that take images or sounds have such keys, and a file for their processor.
_OTHER_SENSES = {
    "vision_config", "audio_config", "audio_encoder", "image_size", "num_mel_bins", "num_channels",
}  # fmt: skip
_NO_TEXT_ENDINGS = ("EncoderDecoderModel", "DoubleHeadsModel", "EncoderModel")
# The last CPython minor that the tokenizers release of each transformers has wheels for
# (Requires-Dist of transformers; the files of tokenizers 0.13.3, 0.19.1, 0.20.3 and 0.21.4).
_LAST_PYTHON = (((4, 34), 11), ((4, 40), 13), ((4, 45), 12), ((4, 47), 13), ((999, 0), 14))
# Older releases need a tokenizers without wheels for the Pythons that the server runs on.
_OLDEST = (4, 26)
_RELEASE = re.compile(r"(\d{1,3})\.(\d{1,3})\.\d{1,3}((rc|\.post)\d{1,2})?")
_NEW_TOKENS = 64


def read(path: Path) -> ModelCard:
    """Return the card of a model with its tokenizer.

    Raises:
        ModelError: a file is missing or damaged, the weights are only in a pickle, or the model
            answers something other than text.
    """
    config = read_json(path / "config.json")
    name = _architecture(path, config)
    task, auto = _task(path, config, name)
    header = _weights(path)
    tokenizer = read_tokenizer(path, config)
    version, warnings = _version(config)
    options: dict[str, Any] = {"auto": auto}
    if tokenizer.max_length:
        options["max_length"] = tokenizer.max_length
    if not tokenizer.pads and config.get("pad_token_id") is None:
        options["pad_with_end"] = True
    classes: tuple[str, ...] = ()
    kind = task
    if task == "text-classification":
        labels = _labels(path, config)
        if config.get("problem_type") == "regression" or len(labels) == 1:
            kind = "regression"
        elif config.get("problem_type") != "multi_label_classification":
            kind, classes = "classification", labels
    elif task.endswith("-generation"):
        options["max_new_tokens"] = _new_tokens(path, tokenizer.max_length)
        warnings.append(
            f"An answer has at most {options['max_new_tokens']} tokens: see app/model.py."
        )
    elif task == "feature-extraction":
        options["pooling"], options["normalize"] = _pooling(path)
        if not options["pooling"]:
            options["pooling"] = "mean"
            warnings.append(
                "The folder does not say how the vectors of a text's tokens become one; "
                "the project takes their mean."
            )
    dangers = _own_code(path, config)
    if dangers:
        options["trust_remote_code"] = True
    return ModelCard(
        path=path,
        framework="transformers",
        format="transformers",
        framework_version=version,
        description=f"{name} of {header.parameters:,} parameters, {'/'.join(header.dtypes[:2])}",
        task=kind,
        features=_features(task, tokenizer),
        takes="inputs" if task == "question-answering" else "texts",
        classes=classes,
        probabilities=bool(classes),
        requirements=_requirements(version, tokenizer),
        python_range=_python_range(version),
        python_reason=f"transformers=={version}" if version else "transformers",
        options=tuple(options.items()),
        warnings=(
            *warnings,
            "The folder does not name the PyTorch version it was trained with; "
            "the project takes the newest.",
            TORCH_BUILDS,
        ),
        dangers=dangers,
    )


def _architecture(path: Path, config: dict[str, Any]) -> str:
    """Return the model's class, which goes into generated text: an identifier."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w{0,99}", name, re.ASCII):
        raise ModelError(
            f"{path.name}/config.json does not name the model's class",
            why="Its 'architectures' is missing or empty; save_pretrained writes it.",
            next="load the model with the class it is meant for, then save_pretrained it again",
        )
    if (path / "adapter_config.json").exists():
        raise ModelError(
            f"{path.name} is an adapter, or has one",
            why="An adapter (adapter_config.json) needs another model that it adapts.",
            next="merge it: model.merge_and_unload().save_pretrained('merged')",
        )
    quantized = config.get("quantization_config")
    if quantized is not None:
        method = quantized.get("quant_method") if isinstance(quantized, dict) else None
        raise ModelError(
            f"{path.name} is quantized ({str(method)[:40]})",
            why="Quantized weights need libraries and mostly GPUs that the project does not have.",
            next="save the model before quantization, or export it to ONNX",
        )
    return name


def _task(path: Path, config: dict[str, Any], name: str) -> tuple[str, str]:
    """Return the task and transformers' class that loads a model for it."""
    task, auto = next((_TASKS[end] for end in _TASKS if name.endswith(end)), ("", ""))
    # AutoModel has no answer to text alone where a decoder follows.
    bare = task == "feature-extraction" and (
        config.get("is_encoder_decoder") is True or name.endswith(_NO_TEXT_ENDINGS)
    )
    other = _OTHER_SENSES & config.keys() or (path / "preprocessor_config.json").exists()
    if task and not bare and not other:
        return task, auto
    raise ModelError(
        f"mlship can't serve the {name} in {path.name}",
        why="Of transformers' models it serves those that take text: "
        + ", ".join(dict.fromkeys(task for task, _ in _TASKS.values()))
        + ".",
        next="export the model to ONNX, or write a predictor.py that loads it",
    )


def _weights(path: Path) -> Header:
    """Return the tensors of all safetensors files of the model."""
    if (path / "model.safetensors").is_file():
        return read_header(path / "model.safetensors")
    if not (path / "model.safetensors.index.json").is_file():
        pickled = (path / "pytorch_model.bin").exists() or any(path.glob("pytorch_model*.bin"))
        raise ModelError(
            f"{path.name} has no model.safetensors",
            why="Its weights are a pickle (pytorch_model.bin), which can run code."
            if pickled
            else "There are no weights that mlship reads.",
            next="load the model and save it: "
            "model.save_pretrained('folder', safe_serialization=True)",
        )
    index = read_json(path / "model.safetensors.index.json").get("weight_map")
    files = set(map(str, index.values())) if isinstance(index, dict) else set()
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, None] = {}
    for file in sorted(files):
        if Path(file).name != file or not (path / file).is_file():
            raise ModelError(
                f"{path.name} is not complete",
                why=f"model.safetensors.index.json names {file[:100]!r}, which is not there.",
                next="download or save the model again",
            )
        part = read_header(path / file)
        shapes.update(part.shapes)
        dtypes.update(dict.fromkeys(part.dtypes))
    return Header(shapes, tuple(dtypes))


def _labels(path: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels by index; ``PretrainedConfig`` leaves its two default ones out."""
    found = config.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    if isinstance(found, dict) and found:
        labels = [found.get(str(index)) for index in range(len(found))]
        if None not in labels and len(set(map(str, labels))) == len(labels):
            return tuple(map(str, labels))
    raise ModelError(
        f"The id2label of {path.name}/config.json is no list of labels",
        why="It must map 0, 1, 2, ... to different names.",
        next="set model.config.id2label, then save_pretrained the model again",
    )


def _new_tokens(path: Path, max_length: int) -> int:
    """Return how many tokens an answer has at most, as generation_config.json says it."""
    file = path / "generation_config.json"
    value = read_json(file).get("max_new_tokens") if file.is_file() else None
    wanted = value if type(value) is int and 0 < value <= 4096 else _NEW_TOKENS
    return min(wanted, max_length // 2) if max_length else wanted


def _pooling(path: Path) -> tuple[str, bool]:
    """Return ``mean`` or ``cls``, and whether vectors are normalized, as sentence-transformers
    writes it (modules.json, 1_Pooling/config.json); an empty text when it is not said.
    """
    file = path / "1_Pooling" / "config.json"
    pooling = read_json(file) if file.is_file() else {}
    modes = [key for key, value in pooling.items() if key.startswith("pooling_mode") and value]
    known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if modes and (len(modes) > 1 or modes[0] not in known):
        raise ModelError(
            f"mlship can't pool as {path.name} asks: {', '.join(modes)[:200]}",
            why="It knows the mean of the tokens, and the first token.",
            next="write a predictor.py that loads it with sentence-transformers",
        )
    return known[modes[0]] if modes else "", (path / "2_Normalize").is_dir()


def _own_code(path: Path, config: dict[str, Any]) -> tuple[Import, ...]:
    """Return the classes that ``auto_map`` wants imported from files of the folder."""
    found = []
    for member in ("config.json", "tokenizer_config.json"):
        file = path / member
        own = config if member == "config.json" else (read_json(file) if file.is_file() else {})
        auto_map = own.get("auto_map")
        for value in auto_map.values() if isinstance(auto_map, dict) else ():
            for target in value if isinstance(value, list) else [value]:
                if isinstance(target, str):
                    module, _, name = target.rpartition(".")
                    found.append(Import(module, name, 0, member))
    return tuple(dict.fromkeys(found))


def _version(config: dict[str, Any]) -> tuple[str | None, list[str]]:
    """Return the release that can be pinned, and a warning where there is none."""
    written = str(config.get("transformers_version", ""))[:40]
    match = _RELEASE.fullmatch(written)
    if match and (int(match[1]), int(match[2])) >= _OLDEST:
        return written, []
    if not written:
        return None, [
            "The folder does not name the transformers version it was saved with; "
            "the project takes the newest."
        ]
    return None, [
        f"It was saved with transformers {written!r}, which has no release for Python 3.11 "
        "or newer; the project takes the newest."
    ]


def _python_range(version: str | None) -> tuple[int, int]:
    match = _RELEASE.fullmatch(version or "")
    if not match:
        return (11, 14)
    release = (int(match[1]), int(match[2]))
    return (10, next(last for border, last in _LAST_PYTHON if release < border))


def _requirements(version: str | None, tokenizer: Tokenizer) -> tuple[str, ...]:
    return (
        f"transformers=={version}" if version else "transformers>=4.48",
        "torch>=2.6",  # transformers 5 turns older ones down
        "safetensors>=0.4",
        *tokenizer.requirements,
    )


def _features(task: str, tokenizer: Tokenizer) -> tuple[Feature, ...]:
    if task == "question-answering":
        return (
            Feature("question", "string", example="Where does the cat sit?"),
            Feature("context", "string", example="The cat sits on the mat."),
        )
    example = "The weather is lovely today."
    if task == "fill-mask":
        example = f"The weather is {tokenizer.mask} today."
    limit = f"Cut after {tokenizer.max_length} tokens." if tokenizer.max_length else ""
    return (Feature("text", "string", example=example, description=limit),)
