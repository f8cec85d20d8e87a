"""From features to the types of the generated schema."""

import pytest

from mlship.card import Feature
from mlship.fieldtypes import json_type, types


def written(*features):
    found = types(features)
    return [(d.name, *d.lines) for d in found.definitions], list(found.annotations), found.uniform


def test_numbers_share_one_type():
    definitions, annotations, uniform = written(Feature("a", "float32"), Feature("b", "float64"))
    assert [name for name, *_ in definitions] == ["Number"]
    assert annotations == ["Number", "Number"] and uniform == "Number"


@pytest.mark.parametrize(
    ("dtype", "name", "bounds"),
    [
        ("int64", "Int64", "ge=-(2**63), le=2**63 - 1"),
        ("uint8", "UInt8", "ge=0, le=2**8 - 1"),
        ("float16", "Half", "ge=-65504, le=65504"),
        ("bool", "Flag", "strict=True"),
    ],
)
def test_bounds_are_those_of_the_dtype(dtype, name, bounds):
    ((found, line),), annotations, _ = written(Feature("a", dtype))
    assert (found, annotations) == (name, [name]) and bounds in line


def test_texts_categories_and_nulls():
    definitions, annotations, uniform = written(
        Feature("marital status", "string", categories=("a", "b")),
        Feature("note", "string", nullable=True),
        Feature("1st", "int64", categories=(1, 2), nullable=True),
    )
    assert definitions == [
        ("MaritalStatusCategory", 'Literal["a", "b"]'),
        ("Feature2Category", "Literal[1, 2]"),
    ]
    assert annotations == ["MaritalStatusCategory", "str | None", "Feature2Category | None"]
    assert uniform == ""


def test_many_categories_take_a_line_each():
    many = tuple(f"a rather long name of category {i}" for i in range(4))
    ((_, *lines),), _, _ = written(Feature("a", "string", categories=many))
    assert lines == ["Literal[", *(f'    "{value}",' for value in many), "]"]


def test_two_features_of_almost_one_name_have_types_of_their_own():
    definitions, annotations, _ = written(
        Feature("a b", "string", categories=("x",)), Feature("a-b", "string", categories=("y",))
    )
    assert len({name for name, *_ in definitions}) == len(set(annotations)) == 2


def test_tensors_are_nested_lists_of_a_shape():
    definitions, annotations, _ = written(Feature("image", "float32", (3, None, 8)))
    assert definitions[1:] == [
        ("ImageTensor", "Annotated[list[list[list[Number]]], Shape(3, None, 8)]")
    ]
    assert annotations == ["ImageTensor"]
    assert json_type(Feature("image", "float32", (3,))) == "array"
