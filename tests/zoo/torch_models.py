# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.13.0", "numpy"]
# ///
"""TorchScript files and exported programs, and files of bare weights, which are refused."""

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim

out = Path(sys.argv[1])
torch.manual_seed(0)


class Classifier(nn.Module):
    """Tokens and numbers in, logits and the best class out."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.last = nn.Linear(7, 2)

    def forward(self, tokens, extra):
        logits = self.last(torch.cat([self.words(tokens).mean(1), extra], 1))
        return {"logits": logits, "top": logits.argmax(1)}


class Images(nn.Module):
    """Images in, scores out."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.last = nn.Linear(4, 5)

    def forward(self, image):
        return self.last(torch.relu(self.first(image)).mean((2, 3)))


class Pair(nn.Module):
    """Two answers, and an argument with a default."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, x, scale: float = 2.0):
        y = self.last(x) * scale
        return y, y.sum(1)


class Centered(nn.Module):
    """An answer that depends on the other rows of the batch: of a row alone it is the bias."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, x):
        return self.last(x - x.mean(0, keepdim=True))


class Steps(nn.Module):
    """A loop and a branch on the values, under one name."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.last(x)
        for _ in range(3):
            y = torch.where(y > 0.25, y * 0.5, y - 1.0)
        return {"y": y}


table = torch.randn(6, 4)
triples = torch.randn(6, 3)
images = torch.randn(3, 3, 4, 4)
tokens, extra = torch.randint(0, 10, (4, 5)), torch.randn(4, 3)
sequential = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
double = nn.Sequential(nn.Linear(4, 3)).double().eval()
classifier, photos, pair = Classifier().eval(), Images().eval(), Pair().eval()
centered, steps = Centered().eval(), torch.jit.script(Steps().eval())
batch = Dim("batch")
with torch.no_grad():
    one = sequential(table)[:, 0].tolist()
    doubled = double(table.double()).tolist()
    scores = photos(images).tolist()
    logits = classifier(tokens, extra)
    both = pair(triples)
    stepped = steps(triples)["y"].tolist()
named = [
    {"logits": a, "top": b}
    for a, b in zip(logits["logits"].tolist(), logits["top"].tolist(), strict=True)
]
outputs = [list(row) for row in zip(both[0].tolist(), both[1].tolist(), strict=True)]
both_kinds = {"framework": "torch", "dangers": [], "modules": []}
script = {
    **both_kinds,
    "format": "torchscript",
    "framework_version": None,
    "task": "inference",
    "requirements": ["torch>=2.1"],
}
program = {
    **both_kinds,
    "format": "pt2",
    "framework_version": "2.13.0",
    "requirements": ["torch==2.13.0"],
}
four = [[f"x{i}", "float32"] for i in range(4)]
truth = {}

torch.jit.script(sequential).save(out / "table.pt")
truth["table.pt"] = {
    "card": {**script, "takes": "matrix", "features": four},
    "rows": table.tolist(), "predictions": one,
}  # fmt: skip
torch.jit.script(double).save(out / "double.pt")
truth["double.pt"] = {
    "card": {**script, "features": [[f"x{i}", "float64"] for i in range(4)]},
    "rows": table.tolist(), "predictions": doubled,
}  # fmt: skip
torch.jit.trace(photos, images).save(out / "image.pt")
truth["image.pt"] = {
    "card": {**script, "takes": "inputs", "features": [["image", "float32"]]},
    "rows": [[image] for image in images.tolist()], "predictions": scores,
}  # fmt: skip
torch.jit.freeze(torch.jit.script(photos)).save(out / "frozen.pt")
truth["frozen.pt"] = truth["image.pt"]
torch.jit.script(pair).save(out / "pair.pt")
truth["pair.pt"] = {
    "card": {**script, "output_names": ["output_0", "output_1"]},
    "rows": triples.tolist(),
    "predictions": [dict(zip(("output_0", "output_1"), row, strict=True)) for row in outputs],
}  # fmt: skip
torch.jit.trace(classifier, (tokens, extra), strict=False).save(out / "named.pt")
truth["named.pt"] = {
    "card": {**script, "features": [["tokens", "int64"], ["extra", "float32"]],
             "output_names": ["logits", "top"]},
    "rows": [list(row) for row in zip(tokens.tolist(), extra.tolist(), strict=True)],
    "predictions": named,
}  # fmt: skip


def exported(name, model, arguments, shapes, keywords=None):
    """Write an exported program."""
    program = torch.export.export(model, arguments, keywords, dynamic_shapes=shapes)
    torch.export.save(program, out / name)


exported("table.pt2", sequential, (table,), ({0: batch},))
truth["table.pt2"] = {
    "card": {**program, "task": "regression", "takes": "matrix", "features": four},
    "rows": table.tolist(), "predictions": one,
}  # fmt: skip
exported("image.pt2", photos, (images,), ({0: batch, 2: Dim.AUTO, 3: Dim.AUTO},))
truth["image.pt2"] = {
    "card": {**program, "task": "inference", "features": [["image", "float32"]]},
    "rows": [[image] for image in images.tolist()], "predictions": scores,
}  # fmt: skip
exported("pair.pt2", pair, (triples,), ({0: batch},))
truth["pair.pt2"] = {
    "card": {**program, "task": "inference", "output_names": ["mul", "sum_1"]},
    "rows": triples.tolist(),
    "predictions": [dict(zip(("mul", "sum_1"), row, strict=True)) for row in outputs],
}  # fmt: skip
words = {0: batch, 1: Dim("words")}
exported("named.pt2", classifier, (tokens, extra), (words, {0: batch}))
truth["named.pt2"] = {
    "card": {**program, "features": [["tokens", "int64"], ["extra", "float32"]],
             "output_names": ["logits", "top"]},
    "rows": [{"tokens": a, "extra": b}
             for a, b in zip(tokens.tolist(), extra.tolist(), strict=True)],
    "predictions": named,
}  # fmt: skip
exported("keyword.pt2", classifier, (tokens,), {"tokens": words, "extra": {0: batch}},
         {"extra": extra})  # fmt: skip
truth["keyword.pt2"] = truth["named.pt2"]

# Of fixed sides but for the batch: those that may become ONNX.
exported("centered.pt2", centered, (triples,), ({0: batch},))
truth["centered.pt2"] = {"card": program}
steps.save(out / "steps.pt")
truth["steps.pt"] = {
    "card": {**script, "output_names": ["y"]},
    "rows": triples.tolist(), "predictions": [{"y": row} for row in stepped],
}  # fmt: skip
exported("photo.pt2", photos, (images,), ({0: batch},))
truth["photo.pt2"] = {
    "card": {**program, "task": "inference", "features": [["image", "float32"]]},
    "rows": [[image] for image in images.tolist()], "predictions": scores,
}  # fmt: skip
exported("sentence.pt2", classifier, (tokens,), {"tokens": {0: batch}, "extra": {0: batch}},
         {"extra": extra})  # fmt: skip
truth["sentence.pt2"] = truth["named.pt2"]

# Refused, each for a reason of its own.
exported("fixed.pt2", sequential, (table[:1],), None)
torch.save(sequential.state_dict(), out / "state.pt")
torch.save({"model": sequential.state_dict(), "epoch": 3}, out / "checkpoint.pt")
torch.save(sequential, out / "module.pt")
torch.save(sequential.state_dict(), out / "legacy.pt", _use_new_zipfile_serialization=False)
(out / "truth.json").write_text(json.dumps(truth))
