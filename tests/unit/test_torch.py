"""PyTorch files, made by hand: what the card says, what is refused, and what damage does."""

import contextlib
import io
import json
import pickle
import random
import zipfile

import pytest

from mlship.errors import ModelError
from mlship.inspection.detection import LEGACY_MAGIC
from mlship.inspection.torch import read

LINEAR = """class Linear(Module):
  def forward(self: __torch__.Linear,
    input: Tensor) -> Tensor:
    weight = self.weight
    return torch.linear(input, weight, None)
"""
NET = """class Net(Module):
  def forward(self: __torch__.Net,
    x: Tensor,
    scale: Tuple[float, float]=(1., 2.)) -> Dict[str, Tensor]:
    first = self.first
    _0 = (first).forward(x, )
    return {"a": _0, "b": torch.relu(_0)}
"""
# Net(first=Linear(weight=a tensor of 3 x 4)), as export_module.cpp writes it (protocol 2).
WEIGHTS = (
    b"\x80\x02c__torch__\nNet\n)\x81}X\x05\x00\x00\x00firstc__torch__\nLinear\n)\x81}X\x06\x00\x00"
    b"\x00weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQK\x00K\x03K\x04\x86K\x04K\x01\x86\x89}tRsb"
    b"sb."
)


def packed(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(f"model/{name}", data)
    return path


def script(path, net=NET, data=WEIGHTS):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data.pkl", data)
        file.writestr("model/code/__torch__.py", net + LINEAR)
        file.writestr("model/constants.pkl", b"\x80\x02).")
    return path


def meta(*sizes, dtype=7, device="cpu"):
    symbol = {"as_expr": {"expr_str": "Symbol('s0', positive=True, integer=True)", "hint": None}}
    sides = [symbol if size is None else {"as_int": size} for size in sizes]
    return {"dtype": dtype, "sizes": sides, "device": {"type": device, "index": None}}


def spec(*leaves, kind="builtins.tuple", context="null"):
    return {"type": kind, "context": context, "children_spec": list(leaves)}


def program(x=None, y=None, **changes):
    leaf = spec(kind=None)
    arguments = spec(spec(leaf), spec(kind="builtins.dict", context="[]"))
    return {
        "graph_module": {
            "graph": {
                "nodes": [{"target": "torch.ops.aten.relu.default", "inputs": []}],
                "tensor_values": {"x": x or meta(None, 4), "y": y or meta(None, 1)},
            },
            "signature": {
                "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
                "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}],
            },
            "module_call_graph": [{
                "fqn": "",
                "signature": {"in_spec": json.dumps([1, arguments]),
                              "out_spec": json.dumps([1, leaf]), "forward_arg_names": ["x"]},
            }],
        },
        "range_constraints": {"s0": {"min_val": 0, "max_val": None}},
        "torch_version": "2.9.1+cpu",
        "guards_code": ["L['x'].size()[0] <= 8"],
        **changes,
    }  # fmt: skip


def exported(path, content=None, **members):
    text = json.dumps(content or program())
    return packed(path, **{"archive_format": "pt2", "models/model.json": text}, **members)


def sha(path):
    return read(path)


def test_torchscript_is_read_from_its_code_and_first_layer(tmp_path):
    card = sha(script(tmp_path / "net.pt"))
    assert card.format == "torchscript"
    assert card.framework_version is None
    assert [(f.name, f.dtype, f.shape) for f in card.features] == [
        (f"x{i}", "float32", ()) for i in range(4)
    ]
    assert card.output_names == ("a", "b")
    assert card.input_names == ("x",)
    assert ("by_name", True) in card.options
    assert not card.dangers


def test_torchscript_of_unknown_shape_says_so(tmp_path):
    net = NET.replace("(first).forward(x, )", "torch.relu(x)")
    card = sha(script(tmp_path / "net.pt", net))
    assert card.features[0].shape == (None,)
    assert any("neither the shape nor the type" in warning for warning in card.warnings)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [("x: Tensor", "x: List[Tensor]", "List[Tensor]"),
     ("Dict[str, Tensor]", "List[Tensor]", "List[Tensor]")],
)  # fmt: skip
def test_torchscript_of_other_types_is_refused(tmp_path, old, new, names):
    with pytest.raises(ModelError) as error:
        sha(script(tmp_path / "net.pt", NET.replace(old, new)))
    assert names in error.value.why


@pytest.mark.parametrize("call", ['torch.save(x, "/etc/x")', 'torch.from_file("/etc/passwd")'])
def test_torchscript_that_touches_files_is_dangerous(tmp_path, call):
    card = sha(script(tmp_path / "net.pt", NET + f"  def g(self) -> int:\n    {call}\n"))
    assert [danger.module for danger in card.dangers] == ["torch"]


def test_program_is_read_from_its_signature(tmp_path):
    card = sha(exported(tmp_path / "m.pt2"))
    assert (card.format, card.framework_version, card.task) == ("pt2", "2.9.1", "regression")
    assert card.requirements == ("torch==2.9.1",)
    assert card.python_range == (10, 14)
    assert len(card.features) == 4
    assert card.takes == "matrix"
    assert not card.dangers


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"x": meta(1, 4)}, "exactly 1 row"),
        ({"x": meta(None, 4, device="cuda")}, "cuda"),
        ({"x": meta(None, 4, dtype=13)}, "type is number 13"),
        ({"y": meta(3)}, "no row for each row"),
        ({"torch_version": "<=2.4"}, "torch 2.4 or older"),
        ({"range_constraints": {"s0": {"min_val": 5}}}, "5 rows or more"),
        ({"x": meta(None, 10**12)}, "can't be sent"),
    ],
)
def test_program_that_can_not_be_served_is_refused(tmp_path, changes, what):
    with pytest.raises(ModelError) as error:
        sha(exported(tmp_path / "m.pt2", program(**changes)))
    assert what in error.value.what
    assert error.value.next


HOSTILE = "__import__('os').system('x')"


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["guards_code"].append(HOSTILE),
        lambda p: p["range_constraints"].update({HOSTILE: {}}),
        lambda p: p["graph_module"]["graph"]["nodes"].append({"target": "torch.os.system"}),
        lambda p: p["graph_module"]["graph"]["nodes"].append(
            {"target": "torch.ops.aten.from_file.default"}
        ),
        lambda p: p["graph_module"]["graph"].update(
            hidden=[{"as_expr": {"expr_str": f"Max('{HOSTILE}', 1)"}}]
        ),
        lambda p: p["graph_module"]["graph"].update(hidden=[{"expr_str": "().__class__"}]),
        lambda p: p["graph_module"]["graph"].update(hidden=[{"expr_str": "lambdify(x, y)"}]),
        lambda p: p["guards_code"].append("print(L)"),
        lambda p: p["graph_module"]["graph"].update(hidden=[{"name": f"x={HOSTILE}"}]),
        lambda p: p["graph_module"]["module_call_graph"].append(
            {"fqn": "a", "signature": {"in_spec": json.dumps(
                [1, spec(context='{"default_factory_module": "os"}')])}}
        ),
    ],
)  # fmt: skip
def test_program_with_code_of_its_own_is_dangerous(tmp_path, change):
    content = program()
    change(content)
    assert sha(exported(tmp_path / "m.pt2", content)).dangers


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("echo",)


def saved(value):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(value, 2))
    return inner.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        {"data/sample_inputs/model.pt": saved(Hostile())},
        {"data/constants/opaque_obj_0": pickle.dumps(Hostile(), 2)},
        {"data/weights/weight_0": saved(Hostile()),
         "data/weights/model_weights_config.json": json.dumps(
             {"config": {"w": {"path_name": "weight_0", "use_pickle": True}}})},
        {"data/aotinductor/model/a.so": b"\x7fELF"},
    ],
)  # fmt: skip
def test_program_with_a_pickle_inside_is_judged(tmp_path, members):
    assert sha(exported(tmp_path / "m.pt2", **members)).dangers


def test_plain_pickles_inside_are_no_danger(tmp_path):
    members = {"data/sample_inputs/model.pt": saved(((1,), {}))}
    assert not sha(exported(tmp_path / "m.pt2", **members)).dangers


@pytest.mark.parametrize("legacy", [False, True])
def test_bare_weights_are_refused_with_what_to_do(tmp_path, legacy):
    path = tmp_path / "state.pt"
    weights = pickle.dumps({"first.weight": 1, "first.bias": 2}, 2)
    if legacy:
        path.write_bytes(
            LEGACY_MAGIC
            + pickle.dumps(1001, 2)
            + pickle.dumps({"little_endian": True}, 2)
            + weights
        )
    else:
        packed(path, **{"data.pkl": weights})
    with pytest.raises(ModelError) as error:
        sha(path)
    assert "holds weights without the model" in error.value.what
    assert "first.weight" in error.value.why
    assert "torch.export.save" in error.value.next
    assert "load_state_dict(torch.load('state.pt'))" in error.value.next


def test_pickled_module_is_refused_by_the_name_of_its_class(tmp_path):
    data = b"\x80\x02cnets\nNet\n)\x81}b."
    with pytest.raises(ModelError) as error:
        sha(packed(tmp_path / "net.pt", **{"data.pkl": data}))
    assert "its class nets.Net" in error.value.what


def test_hostile_weights_are_not_recommended_for_loading(tmp_path):
    with pytest.raises(ModelError) as error:
        sha(packed(tmp_path / "net.pt", **{"data.pkl": pickle.dumps(Hostile(), 2)}))
    assert "runs code" in error.value.what
    assert "don't load it" in error.value.next


@pytest.mark.parametrize("make", [script, exported])
def test_damage_gives_a_model_error_only(tmp_path, make):
    whole = make(tmp_path / "whole").read_bytes()
    numbers = random.Random(0)
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(numbers.randint(1, 4)):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        damaged.append(bytes(data))
    path, refused = tmp_path / "damaged", 0
    for data in damaged:
        path.write_bytes(data)
        try:
            sha(path)
        except ModelError:
            refused += 1
    assert refused > len(damaged) // 2


def test_any_value_in_the_program_gives_a_model_error_only(tmp_path):
    numbers = random.Random(1)
    odd = [None, -1, 10**30, "", "x", [], {}, [None], {"a": 1}, True, 1.5]
    for _ in range(300):
        content = program()
        place = content
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = numbers.choice(keys)
            if numbers.random() < 0.3 or not isinstance(place[key], dict | list):
                place[key] = numbers.choice(odd)
                break
            place = place[key]
        with contextlib.suppress(ModelError):
            sha(exported(tmp_path / "m.pt2", content))
