# /// script
# requires-python = ">=3.11"
# dependencies = ["transformers==5.23.0", "torch==2.13.0", "safetensors", "tokenizers"]
# ///
"""Tiny untrained networks of transformers with a tokenizer made on the spot.

An extra requirement, such as transformers==4.40.2, makes them by another release.
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

out = Path(sys.argv[1])
torch.manual_seed(0)
WORDS = [
    "the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far", "where", "does", "it", "sit",
    "good", "bad", "##s", "##ly", ".", "?", ",",
]  # fmt: skip
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["the cat sat on the mat.", "a dog ran far", "good", "", "where does it sit? badly " * 40]
LIMIT = 32
NEW = 16


def tokenizer(**special):
    words = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(SPECIAL)
    made.decoder = decoders.WordPiece()
    if "cls_token" in special:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", model_max_length=LIMIT, **special
    )


bert = tokenizer(pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
SIZES = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": LIMIT,
    # Untrained weights of the usual size would hardly tell texts apart.
    "initializer_range": 1.0,
}


def named(*labels):
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def saved(name, model, with_tokenizer=bert, **options):
    model.eval().save_pretrained(out / name, **options)
    with_tokenizer.save_pretrained(out / name)
    return model


def logits(model, text):
    encoded = bert(text, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**encoded).logits[0]


def card(task, features=(("text", "string"),), takes="texts", **more):
    return {
        "framework": "transformers",
        "format": "transformers",
        "framework_version": transformers.__version__,
        "task": task,
        "takes": takes,
        "features": [list(feature) for feature in features],
        "classes": [],
        "probabilities": False,
        **more,
    }


truth = {}

labels = ["sad", "so so", "happy"]
model = saved("classifier", BertForSequenceClassification(BertConfig(**SIZES, **named(*labels))))
scores = [logits(model, text).softmax(-1) for text in TEXTS]
truth["classifier"] = {
    "card": card("classification", classes=labels, probabilities=True),
    "rows": [[text] for text in TEXTS],
    "predictions": [labels[int(row.argmax())] for row in scores],
    "probabilities": [row.tolist() for row in scores],
}

config = BertConfig(
    **SIZES, **named("toxic", "rude", "loud"), problem_type="multi_label_classification"
)
model = saved("several-labels", BertForSequenceClassification(config), max_shard_size="8KB")
scores = [
    dict(zip(config.id2label.values(), logits(model, text).sigmoid().tolist(), strict=True))
    for text in TEXTS
]
truth["several-labels"] = {
    "card": card("text-classification"),
    "rows": TEXTS,
    "predictions": [
        {"labels": [label for label in row if row[label] > 0.5], "scores": row} for row in scores
    ],
}

model = saved("rating", BertForSequenceClassification(BertConfig(**SIZES, **named("stars"))))
truth["rating"] = {
    "card": card("regression"),
    "rows": [{"text": text} for text in TEXTS],
    "predictions": [logits(model, text).item() for text in TEXTS],
}

model = saved(
    "entities",
    BertForTokenClassification(BertConfig(**SIZES, **named("O", "B-ANIMAL", "I-ANIMAL", "PLACE"))),
)
find = transformers.pipeline(
    "token-classification", model=model, tokenizer=bert, aggregation_strategy="simple"
)
truth["entities"] = {
    "card": card("token-classification"),
    "rows": TEXTS,
    "predictions": [
        [
            {
                "entity_group": entity["entity_group"],
                "score": float(entity["score"]),
                "word": text[entity["start"] : entity["end"]],
                "start": int(entity["start"]),
                "end": int(entity["end"]),
            }
            for entity in (find(text) if text else [])
        ]
        for text in TEXTS
    ],
}

model = saved("masked", BertForMaskedLM(BertConfig(**SIZES)))
fill = transformers.pipeline("fill-mask", model=model, tokenizer=bert, top_k=5)
MASKED = ["the [MASK] sat on the mat.", "[MASK] dog ran", "no mask here"]
truth["masked"] = {
    "card": card("fill-mask"),
    "rows": MASKED,
    "predictions": [
        [[{"token": guess["token_str"], "score": guess["score"]} for guess in fill(text)]]
        if "[MASK]" in text
        else []
        for text in MASKED
    ],
}

model = saved("vectors", BertModel(BertConfig(**SIZES)))
with torch.inference_mode():
    means = [
        model(**bert(text, truncation=True, return_tensors="pt")).last_hidden_state[0].mean(0)
        for text in TEXTS
    ]
truth["vectors"] = {
    "card": card("feature-extraction"),
    "rows": TEXTS,
    "predictions": [mean.tolist() for mean in means],
}

model = saved("answers", BertForQuestionAnswering(BertConfig(**SIZES)))
ASKED = [["where does it sit?", "the cat sat on a mat. it ran far"], ["where", "a dog ran"]]
found = []
for question, context in ASKED:
    encoded = bert(question, context, return_offsets_mapping=True, return_tensors="pt")
    offsets = encoded.pop("offset_mapping")[0].tolist()
    inside = [index for index, part in enumerate(encoded.sequence_ids(0)) if part == 1]
    with torch.inference_mode():
        output = model(**encoded)
    first, last = (
        scores[0, inside].softmax(0) for scores in (output.start_logits, output.end_logits)
    )
    spans = [
        (float(first[i] * last[j]), i, j)
        for i in range(len(inside))
        for j in range(i, min(i + 30, len(inside)))
    ]
    score, i, j = max(spans)
    start, end = offsets[inside[i]][0], offsets[inside[j]][1]
    found.append({"answer": context[start:end], "score": score, "start": start, "end": end})
truth["answers"] = {
    "card": card("question-answering", [("question", "string"), ("context", "string")], "inputs"),
    "rows": ASKED,
    "predictions": found,
}

NAMES = ["input_ids", "attention_mask"]
gpt = tokenizer(bos_token="[CLS]", eos_token="[SEP]", model_input_names=NAMES)
config = GPT2Config(
    vocab_size=SIZES["vocab_size"], n_positions=64, n_embd=16, n_layer=1, n_head=2,
    bos_token_id=2, eos_token_id=3, initializer_range=1.0,
)  # fmt: skip
model = saved("writer", GPT2LMHeadModel(config), gpt)
PROMPTS = ["the cat", "a dog ran far on the mat", "where"]
continued = []
for prompt in PROMPTS:
    encoded = gpt(prompt, return_tensors="pt")
    length = encoded["input_ids"].shape[1]
    tokens = model.generate(**encoded, max_new_tokens=NEW, pad_token_id=3, do_sample=False)
    continued.append(gpt.decode(tokens[0, length:], skip_special_tokens=True))
truth["writer"] = {
    "card": card("text-generation"),
    "rows": PROMPTS,
    "predictions": continued,
}

config = T5Config(
    vocab_size=SIZES["vocab_size"], d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
    decoder_start_token_id=0, pad_token_id=0, eos_token_id=3, initializer_factor=5.0,
)  # fmt: skip
plain = tokenizer(pad_token="[PAD]", eos_token="[SEP]", model_input_names=NAMES)
model = saved("translator", T5ForConditionalGeneration(config), plain)
truth["translator"] = {
    "card": card("text2text-generation"),
    "rows": PROMPTS,
    "predictions": [
        plain.decode(
            model.generate(**plain(p, return_tensors="pt"), max_new_tokens=NEW)[0],
            skip_special_tokens=True,
        )
        for p in PROMPTS
    ],
}

(out / "truth.json").write_text(json.dumps(truth))
