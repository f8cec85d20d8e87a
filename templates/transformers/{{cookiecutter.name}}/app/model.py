{% set task = cookiecutter.task %}
{% set options = cookiecutter.options %}
{% set auto = options.auto.strip("\"'") %}
"""The model: a network of transformers and its tokenizer, run by PyTorch."""

import os
import threading
from pathlib import Path
from typing import Any

{% if task == "classification" %}
import numpy as np
{% endif %}
import torch

{% if task == "classification" %}
from app import card

{% endif %}
# All there is to load lies in the model's folder: nothing is asked of the hub.
os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import {{ auto }}, AutoTokenizer  # noqa: E402
{% if options.max_new_tokens %}

MAX_NEW_TOKENS = {{ options.max_new_tokens }}
{% elif task == "fill-mask" %}

CANDIDATES = 5
{% elif task == "question-answering" %}

MAX_ANSWER_TOKENS = 30
{% elif task == "text-classification" %}

# Several labels may hold for one text: those that are likelier than not.
THRESHOLD = 0.5
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        # Requests run side by side; threads inside one would only contend for the same cores.
        torch.set_num_threads(1)
        self._tokenizer = AutoTokenizer.from_pretrained(
            path,
            local_files_only=True,
{% if options.trust_remote_code %}
            trust_remote_code=True,
{% endif %}
{% if options.max_length and task == "text-generation" %}
            model_max_length={{ options.max_length }} - MAX_NEW_TOKENS,
{% elif options.max_length %}
            model_max_length={{ options.max_length }},
{% endif %}
{% if task == "text-generation" %}
            padding_side="left",  # the answer follows the end of the prompt
            truncation_side="left",
{% endif %}
        )
        self._model = {{ auto }}.from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
{% if options.trust_remote_code %}
            trust_remote_code=True,
{% endif %}
        )
        self._model.float().eval()
{% if options.pad_with_end %}
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
            self._model.config.pad_token_id = self._tokenizer.pad_token_id
{% endif %}
        # Two threads that set up one tokenizer's padding break it: "Already borrowed".
        self._lock = threading.Lock()

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if task == "question-answering" %}
        questions, contexts = map(list, zip(*rows, strict=True))
        encoded = self._encode(questions, contexts, return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")
        with torch.inference_mode():
            output = self._model(**encoded)
        answers = []
        for index, context in enumerate(contexts):
            outside = torch.tensor([part != 1 for part in encoded.sequence_ids(index)])
            starts, ends = (
                logits[index].masked_fill(outside, -torch.inf).softmax(dim=0).nan_to_num()
                for logits in (output.start_logits, output.end_logits)
            )
            # The likeliest span that ends at or after its start, and is not too long.
            spans = torch.outer(starts, ends).triu().tril(MAX_ANSWER_TOKENS - 1)
            first, last = divmod(int(spans.argmax()), len(ends))
            start, end = int(offsets[index][first][0]), int(offsets[index][last][1])
            score = float(spans[first, last])
            answers.append(
                {"answer": context[start:end], "score": score, "start": start, "end": end}
            )
        return answers, None
{% else %}
{% if task == "text-generation" %}
        # An empty prompt begins at the beginning.
        begin = self._tokenizer.bos_token or self._tokenizer.eos_token
        encoded = self._encode([row[0] or begin for row in rows])
{% elif task == "token-classification" %}
        texts = [row[0] for row in rows]
        encoded = self._encode(texts, return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping").tolist()
{% else %}
        encoded = self._encode([row[0] for row in rows])
{% endif %}
        with torch.inference_mode():
{% if options.max_new_tokens %}
            tokens = self._model.generate(**encoded, max_new_tokens=MAX_NEW_TOKENS)
{% elif task == "feature-extraction" %}
            vectors = self._model(**encoded).last_hidden_state
{% else %}
            logits = self._model(**encoded).logits
{% endif %}
{% if task == "classification" %}
        probabilities = logits.softmax(dim=-1).numpy()
        return np.array(card.CLASSES)[probabilities.argmax(axis=1)], probabilities
{% elif task == "regression" %}
        values = logits.numpy()
        return values.reshape(len(rows)) if values.size == len(rows) else values, None
{% elif task == "text-classification" %}
        answers = []
        for row in logits.sigmoid().tolist():
            scores = {self._model.config.id2label[i]: score for i, score in enumerate(row)}
            labels = [label for label, score in scores.items() if score > THRESHOLD]
            answers.append({"labels": labels, "scores": scores})
        return answers, None
{% elif task == "token-classification" %}
        best = logits.softmax(dim=-1).max(dim=-1)
        labels, scores = best.indices.tolist(), best.values.tolist()
        return [
            self._entities(text, list(zip(*tokens, strict=True)))
            for text, *tokens in zip(texts, offsets, labels, scores, strict=True)
        ], None
{% elif task == "fill-mask" %}
        # Per row and mask in it, the likeliest tokens.
        answers = []
        for tokens, scores in zip(encoded["input_ids"], logits.softmax(dim=-1), strict=True):
            best = scores[tokens == self._tokenizer.mask_token_id].topk(CANDIDATES)
            answers.append(
                [
                    [
                        {"token": self._tokenizer.decode([token]), "score": score}
                        for token, score in zip(*mask, strict=True)
                    ]
                    for mask in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                ]
            )
        return answers, None
{% elif task == "feature-extraction" %}
{% if options.pooling.strip("\"'") == "cls" %}
        vectors = vectors[:, 0]  # that of the first token stands for the text
{% else %}
        # One vector per text: the mean of its tokens'.
        mask = encoded["attention_mask"].unsqueeze(-1)
        vectors = (vectors * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
{% endif %}
{% if options.normalize == "True" %}
        vectors = torch.nn.functional.normalize(vectors)
{% endif %}
        return vectors.numpy(), None
{% elif task == "text-generation" %}
        answers = tokens[:, encoded["input_ids"].shape[1] :]
        return self._tokenizer.batch_decode(answers, skip_special_tokens=True), None
{% else %}
        return self._tokenizer.batch_decode(tokens, skip_special_tokens=True), None
{% endif %}
{% endif %}

{% if task == "token-classification" %}
    def _entities(self, text: str, tokens: list[Any]) -> list[dict[str, Any]]:
        """Join neighbouring tokens of one kind, as transformers' "simple" strategy does."""
        entities: list[dict[str, Any]] = []
        scores: list[float] = []
        kind = "O"
        for (start, end), index, score in tokens:
            if start == end:  # a special token, such as padding
                continue
            label = self._model.config.id2label[index]
            before, kind = kind, label.removeprefix("B-").removeprefix("I-")
            if kind == "O":
                continue
            if kind != before or label.startswith("B-"):
                scores = []
                entities.append({"entity_group": kind, "start": start})
            scores.append(score)
            entities[-1] |= {
                "end": end,
                "word": text[entities[-1]["start"] : end],
                "score": sum(scores) / len(scores),
            }
        return entities

{% endif %}
{% if task in ("question-answering", "token-classification") %}
    def _encode(self, *texts: list[str], **options: Any) -> Any:
        with self._lock:
            return self._tokenizer(
                *texts, padding=True, truncation=True, return_tensors="pt", **options
            )
{% else %}
    def _encode(self, texts: list[str]) -> Any:
        with self._lock:
            return self._tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
{% endif %}
