"""What a model file or folder is, by its content; names and extensions decide nothing."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from mlship.errors import ModelError
from mlship.inspection.archives import open_archive
from mlship.inspection.sources import compression

READS = (
    "scikit-learn (.joblib, .pkl, .skops), XGBoost (.json, .ubj), LightGBM (.txt), CatBoost "
    "(.cbm), ONNX, PyTorch (TorchScript, .pt2), Keras (.keras), a SavedModel, transformers or "
    "MLflow folder, and a predictor.py."
)
_HEAD = 4096
# The first pickle of a file by torch.save(..., _use_new_zipfile_serialization=False):
# torch/serialization.py, MAGIC_NUMBER 0x1950A86A20F9469CFC6C.
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# Files that are no model mlship serves, and what to do instead.
_OTHERS = [
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file: a model of Keras 2, or bare weights",
     "load it in Keras 3 and save it again: model.save('model.keras')"),
    (b"GGUF", "a GGUF file of llama.cpp", "serve it with llama.cpp's own server"),
    (b"\x93NUMPY", "a numpy array", "pass the model, not its data"),
    (b"PAR1", "a Parquet table", "pass the model; a table can be a --sample"),
    (b"binf", "an XGBoost model in the old binary format",
     "load it and save it again: booster.save_model('model.ubj')"),
    (b"bs64", "an XGBoost model in the old text format",
     "load it and save it again: booster.save_model('model.ubj')"),
    (b"ZF0x", "a joblib file of before 2015", "load it and dump it again with a joblib of today"),
]  # fmt: skip


def kind(path: Path) -> str:
    """Return which reader knows what is at ``path``.

    Raises:
        ModelError: there is nothing, or nothing that mlship reads.
    """
    try:
        return _kind(path)
    except FileNotFoundError:
        what = "leads nowhere" if path.is_symlink() else "does not exist"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        what = f"can't be read: {getattr(error, 'strerror', None) or error}"
    raise ModelError(
        f"The model {path} {what}", next="mlship init NAME --model PATH/TO/model.joblib"
    )


def _kind(path: Path) -> str:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return _folder(path)
    if not stat.S_ISREG(mode):
        raise ModelError(f"{path} is no regular file", next="copy the model into a file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise ModelError(f"{path.name} is empty", next="save the model again")
    for magic, what, instead in _OTHERS:
        if head.startswith(magic):
            raise ModelError(f"{path.name} is {what}", next=instead)
    return _file(path, head)


def _file(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if suffix == ".py":
        return "predictor"
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if head.startswith(b"CBM1"):
        return "catboost"
    if re.match(rb"tree\r?\nversion=v\d", head):
        return "lightgbm"
    if head.startswith(LEGACY_MAGIC):
        return "torch"
    if (head[0] == 0x80 and head[1:2] <= b"\x05") or compression(head):
        return "pickle"
    if head.lstrip()[:1] == b"{" and (b'"learner"' in head or b'"version"' in head):
        return "xgboost-json"
    if head[:1] == b"{" and re.match(rb"\{[iIlLU$#]", head):
        return "xgboost-ubj"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        raise ModelError(
            f"{path.name} is a safetensors file: weights without their model",
            next="pass the folder that holds it together with config.json",
        )
    if head[4:8] == b"TFL3":
        raise ModelError(
            f"{path.name} is a TensorFlow Lite model", next="export a SavedModel and pass that"
        )
    # ModelProto begins with its ir_version (field 1), or with another small field.
    if suffix == ".onnx" or re.match(rb"\x08[\x01-\x20][\x12\x3a\x42\x1a\x22]", head):
        return "onnx"
    if suffix in (".joblib", ".pkl", ".pickle") or _looks_like_text_pickle(path, head):
        return "pickle"
    raise ModelError(
        f"mlship can't tell what {path.name} is",
        why=f"Its content is that of no model it reads. It reads {READS}",
        next="save the model in one of these, or write a predictor.py and pass that",
    )


def _looks_like_text_pickle(path: Path, head: bytes) -> bool:
    """Tell a pickle of protocol 0 or 1: it begins with one of few opcodes and ends with STOP."""
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"." and head[:1] in b"c(]})lIJKMNVS"


def _zip(path: Path) -> str:
    with open_archive(path) as archive:
        if "schema.json" in archive:
            return "skops"
        if "config.json" in archive and "metadata.json" in archive:
            return "keras"
        if any(name.endswith((".npy", "[Content_Types].xml")) for name in archive.names[:3]):
            raise ModelError(f"{path.name} is data, not a model", next="pass the model file")
        known = ("data.pkl", "archive_format", "serialized_exported_program.json", "constants.pkl")
        if any(name.count("/") < 2 and name.rsplit("/", 1)[-1] in known for name in archive.names):
            return "torch"
    raise ModelError(
        f"mlship can't tell what {path.name} is",
        why=f"It is a zip file without the members of any model. mlship reads {READS}",
        next="unpack it and pass the model inside, or save the model again",
    )


def _folder(path: Path) -> str:
    names = {entry.name for entry in path.iterdir()}
    if "MLmodel" in names:
        return "mlflow"
    if "saved_model.pb" in names:
        return "savedmodel"
    if "predictor.py" in names:
        return "predictor"
    weights = (".safetensors", ".safetensors.index.json", "pytorch_model.bin")
    if "config.json" in names and any(name.endswith(weights) for name in names):
        return "transformers"
    found = ", ".join(sorted(names)[:8]) or "nothing"
    raise ModelError(
        f"The folder {path} holds no model that mlship reads",
        why=f"It holds {found}. A model folder has an MLmodel, a saved_model.pb, a predictor.py, "
        "or a config.json beside *.safetensors.",
        next="pass the model file itself, or the folder that holds one of these",
    )
