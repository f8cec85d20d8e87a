"""Reading transformers folders and safetensors headers: made by hand, no framework."""

import contextlib
import json
import random
import struct

import pytest

from mlship.errors import ModelError
from mlship.inspection.safetensors import read_header
from mlship.inspection.transformers import read

CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "id2label": {"0": "bad", "1": "good"},
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "transformers_version": "4.48.0",
}


def weights(header=None, data=b"\0" * 16):
    header = header or {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "b": {"dtype": "F16", "shape": [4], "data_offsets": [8, 16]},
    }
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "bert"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "model.safetensors").write_bytes(weights())
    (path / "tokenizer.json").write_text("{}")
    (path / "tokenizer_config.json").write_text(
        '{"model_max_length": 1000000000000000019884624838656}'
    )
    return path


def configure(folder, **values):
    (folder / "config.json").write_text(json.dumps({**CONFIG, **values}))


def refusal(folder):
    with pytest.raises(ModelError) as caught:
        read(folder)
    return f"{caught.value.what}. {caught.value.why} {caught.value.next}"


def test_a_classifier(folder):
    card = read(folder)
    assert (card.framework, card.format, card.framework_version) == (
        "transformers", "transformers", "4.48.0",
    )  # fmt: skip
    assert (card.task, card.classes, card.probabilities) == (
        "classification",
        ("bad", "good"),
        True,
    )
    assert (card.takes, [f.name for f in card.features]) == ("texts", ["text"])
    assert card.description == "BertForSequenceClassification of 6 parameters, float16/float32"
    assert "transformers==4.48.0" in card.requirements
    assert dict(card.options)["max_length"] == 512
    assert not card.dangers


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForTokenClassification", "token-classification"),
        ("BertForQuestionAnswering", "question-answering"),
        ("BertForMaskedLM", "fill-mask"),
        ("LlamaForCausalLM", "text-generation"),
        ("GPT2LMHeadModel", "text-generation"),
        ("T5ForConditionalGeneration", "text2text-generation"),
        ("MarianMTModel", "text2text-generation"),
        ("BertModel", "feature-extraction"),
    ],
)
def test_tasks_by_class(folder, architecture, task):
    configure(folder, architectures=[architecture])
    card = read(folder)
    assert (card.task, card.classes) == (task, ())
    assert len(card.features) == (2 if task == "question-answering" else 1)


def test_several_labels_one_number_and_default_labels(folder):
    configure(folder, problem_type="multi_label_classification")
    assert read(folder).task == "text-classification"
    configure(folder, id2label={"0": "stars"})
    assert read(folder).task == "regression"
    (folder / "config.json").write_text(
        json.dumps({k: v for k, v in CONFIG.items() if k != "id2label"})
    )
    assert read(folder).classes == ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize(
    ("version", "pinned", "last"),
    [
        ("4.30.2", "4.30.2", 11),
        ("4.44.0", "4.44.0", 12),
        ("5.0.0rc1", "5.0.0rc1", 14),
        ("4.10.0.dev0", None, 14),
        ("4.6.0", None, 14),
        ('5.0.0"; evil', None, 14),
    ],
)
def test_version(folder, version, pinned, last):
    configure(folder, transformers_version=version)
    card = read(folder)
    assert (card.framework_version, card.python_range[1]) == (pinned, last)
    assert any("takes the newest" in w for w in card.warnings)
    assert not any("evil" in r for r in card.requirements)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architectures": None}, "does not name the model's class"),
        ({"architectures": ['X"); import os']}, "does not name the model's class"),
        ({"architectures": ["ViTForImageClassification"]}, "can't serve the ViTForImage"),
        ({"architectures": ["CLIPModel"], "vision_config": {}}, "can't serve the CLIPModel"),
        ({"architectures": ["T5Model"], "is_encoder_decoder": True}, "can't serve the T5Model"),
        ({"quantization_config": {"quant_method": "gptq"}}, "is quantized (gptq)"),
        ({"id2label": {"0": "a", "2": "b"}}, "no list of labels"),
        ({"id2label": {"0": "a", "1": "a"}}, "no list of labels"),
    ],
)
def test_refused_configurations(folder, values, words):
    configure(folder, **values)
    assert words in refusal(folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "a pickle (pytorch_model.bin)" in refusal(folder)


def test_no_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer" in refusal(folder)
    (folder / "spiece.model").write_bytes(b"x")
    assert "sentencepiece>=0.2" in read(folder).requirements


def test_code_of_its_own_is_a_danger(folder):
    configure(folder, auto_map={"AutoModel": "modeling_mine.Mine"})
    card = read(folder)
    assert [(d.module, d.name, d.member) for d in card.dangers] == [
        ("modeling_mine", "Mine", "config.json")
    ]
    assert dict(card.options)["trust_remote_code"] is True


def test_shards(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors"}}))
    assert " 6 parameters" in read(folder).description
    for name in ("../bert/config.json", "missing.safetensors", "/etc/passwd", "a\0b", ""):
        index.write_text(json.dumps({"weight_map": {"a": name}}))
        assert "is not complete" in refusal(folder)


def test_pooling_of_sentence_transformers(folder):
    configure(folder, architectures=["BertModel"])
    (folder / "1_Pooling").mkdir()
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}')
    assert dict(read(folder).options)["pooling"] == "cls"
    pooling.write_text('{"pooling_mode_max_tokens": true}')
    assert "can't pool" in refusal(folder)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [4, 20]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": ["F32"], "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "U8", "shape": [10**30], "data_offsets": [0, 10**30]}},
        {"a": 1},
        b"[]",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe",
    ],
)
def test_hostile_headers(tmp_path, header):
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights(header))
    with pytest.raises(ModelError):
        read_header(path)


def test_header_cut_or_claiming_too_much(tmp_path):
    path = tmp_path / "model.safetensors"
    whole = weights()
    path.write_bytes(whole)
    assert read_header(path).parameters == 6
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError):
            read_header(path)
    path.write_bytes(b"\xff" * 8 + whole)
    with pytest.raises(ModelError):
        read_header(path)


def test_mutated_files_raise_nothing_else(folder):
    rng = random.Random(0)
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        file = folder / name
        whole = file.read_bytes()
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.choice(b'{}[]",:0-9e\x00\xff')
            file.write_bytes(data)
            with contextlib.suppress(ModelError):
                read(folder)
        file.write_bytes(whole)
