"""A sample's columns refine a model's features, and never contradict the model."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.card import Feature, ModelCard
from mlship.commands import uv
from mlship.errors import ToolFailed, UsageError
from mlship.sampling import delimited, documents, parquet, refine, tables


def make_card(*features: Feature | str, takes="frame", **values) -> ModelCard:
    made = tuple(f if isinstance(f, Feature) else Feature(f, "float64") for f in features)
    base = {
        "path": Path("model.joblib"),
        "framework": "scikit-learn",
        "format": "joblib",
        "framework_version": "1.6.0",
        "description": "a model",
        "task": "classification",
    }
    return ModelCard(**{**base, "features": made, "takes": takes, **values})


@pytest.fixture
def csv_of(tmp_path):
    def write(text: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def json_of(tmp_path):
    def write(value, name: str = "data.json") -> Path:
        path = tmp_path / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


def only(card: ModelCard) -> Feature:
    (feature,) = card.features
    return feature


def one_column(name: str, cells: list[str]) -> str:
    return "\n".join([name, *cells]) + "\n"


# Reading


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters_quotes_and_byte_order_mark(csv_of, delimiter):
    rows = ["\ufeffa", '"b, or;c"'], ["1", '"x\ny"'], ["2", '"say ""hi"""']
    text = "\r\n".join(delimiter.join(row) for row in rows)
    card = refine(make_card("a", "b, or;c"), csv_of(text))
    assert [(f.dtype, f.example) for f in card.features] == [("int64", 1), ("string", "x\ny")]


def test_a_header_with_a_comma_in_a_name_is_split_as_the_rows_are(csv_of):
    card = refine(make_card("price, EUR", "size"), csv_of("price, EUR;size\n1;2\n3;4\n"))
    assert [f.example for f in card.features] == [1, 2]


@pytest.mark.parametrize("header", ["", "Unnamed: 0", '""'])
def test_the_index_of_pandas_is_left_out(csv_of, header):
    card = refine(make_card("a", takes="matrix"), csv_of(f"{header},a\n0,5\n1,6\n"))
    assert only(card).example == 5
    assert card.warnings == ()


def test_a_feature_may_be_named_like_the_index(csv_of):
    card = refine(make_card("Unnamed: 0", "a"), csv_of("Unnamed: 0,a\n7,5\n"))
    assert [f.example for f in card.features] == [7, 5]


ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        {"instances": ROWS},
        {"other": 1, "instances": ROWS},
        {"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": None}},
        {"a": [1, 2], "b": ["x", None]},
        "\n".join(map(json.dumps, ROWS)),
        [[1, "x"], [2, None]],
        [{"a": 1, "b": "x"}, {"a": 2}],
    ],
    ids=["list", "body", "body-2", "columns", "lists", "lines", "positions", "key-missing"],
)
def test_every_form_of_json_says_the_same(json_of, value):
    card = refine(make_card("a", "b"), json_of(value))
    a, b = card.features
    assert (a.name, a.dtype, a.nullable, a.example) == ("a", "int64", False, 1)
    assert (b.name, b.dtype, b.nullable, b.example) == ("b", "string", True, "x")


def test_a_key_that_comes_late_was_empty_before(json_of):
    rows = [{"a": i} for i in range(1500)] + [{"a": 0, "b": 2.5}]
    _, b = refine(make_card("a", "b"), json_of(rows)).features
    assert (b.dtype, b.nullable, b.example) == ("float64", True, 2.5)


def test_a_text_of_json_is_no_number(json_of):
    card = refine(make_card("a"), json_of([{"a": "007"}]))
    assert (only(card).dtype, only(card).example) == ("string", "007")


@pytest.mark.parametrize("name", ["data.csv", "data.json"])
def test_only_the_first_rows_are_looked_at(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tables, "MOST_ROWS", 50)
    path = tmp_path / name
    if path.suffix == ".csv":
        path.write_text(one_column("a", [str(i) for i in range(60)]))
    else:
        path.write_text(json.dumps([{"a": i} for i in range(60)])[:-5])  # damaged after row 50
    card = refine(make_card("a"), path)
    assert only(card).description == "From 0 to 49 in the sample"
    assert card.warnings == ("Only the first 50 rows of the sample were looked at.",)


@pytest.mark.parametrize("opening", ["[", '{"instances": [', ""])
def test_a_row_that_the_limit_of_characters_cuts_is_left_out(json_of, monkeypatch, opening):
    monkeypatch.setattr(documents, "MOST_CHARACTERS", 300_000)
    row = json.dumps({"a": 1, "b": "x" * 1000})
    separator = "," if opening else "\n"
    path = json_of(opening + separator.join([row] * 1000))
    assert 250 < tables.read(path, ()).rows < 600


def test_a_sample_that_fits_is_not_called_cut(csv_of, monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 3)
    assert refine(make_card("a"), csv_of("a\n1\n2\n3\n")).warnings == ()


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("data.csv", b"", "no rows"),
        ("data.csv", b"a,b\n", "no rows"),
        ("data.csv", b"a,b\n1,2\n3\n", "line 3 has 1 cells, the header 2"),
        ("data.csv", b"a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
        ("data.csv", b"a,a\n1,2\n", "two columns are named 'a'"),
        ("data.csv", b"a,b\n1,\0\n", "NUL"),
        ("data.csv", b"a,b\n1,\xff\n", "not UTF-8"),
        ("data.csv", "a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        ("data.csv", b'a,b\n1,"' + b"x" * 200_000, "field limit"),
        ("data.csv", b"a\n" + b"\n" * 200_000, "blank lines"),
        ("data.json", b"", "no rows"),
        ("data.json", b"[]", "no rows"),
        ("data.json", b'[{"a": 1},', "Expecting value"),
        ("data.json", b'[{"a": 1}', "not even a bracket"),
        ("data.json", b'[{"a": 1} {"a": 2}]', "not a comma"),
        ("data.json", b'[{"a": 1}, [2]]', "some are not"),
        ("data.json", b"[[1, 2], [1]]", "equally many"),
        ("data.json", b'{"a": [1], "b": [1, 2]}', "not equally long"),
        ("data.json", b"[" * 100_000, "nested too deeply"),
        ("data.json", b'[{"a": "\\ud800"}]', "surrogates"),
        ("data.json", b'[{"a": ' + b"9" * 5000 + b"}]", "integer string"),
        ("data.parquet", b"PAR1 and so on", "not Parquet"),
        ("data.parquet", b"", "not Parquet"),
        ("data.xlsx", b"PK", "its name ends in '.xlsx'"),
        ("data", b"a\n1\n", "its name ends in 'nothing'"),
    ],
)
def test_a_file_that_is_no_sample_is_refused(csv_of, name, data, why):
    with pytest.raises(UsageError) as refused:
        refine(make_card("a"), csv_of(data, name))
    assert name in refused.value.what
    assert why in refused.value.why
    assert "CSV" in refused.value.next


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UsageError):
            refine(make_card("a"), path)


# Types


@pytest.mark.parametrize(
    ("cells", "dtype", "nullable", "example"),
    [
        (["1", "2"], "int64", False, 1),
        (["1", "2.5"], "float64", False, 1.0),
        (["", "3"], "float64", True, 3),  # whole numbers with nulls, as pandas has them
        (["1e3", "nan"], "float64", True, 1000.0),
        (["true", "False"], "bool", False, True),
        (["TRUE", "NA"], "bool", True, True),
        (["true", "1"], "string", False, "true"),
        (["yes", "no"], "string", False, "yes"),
        (["1", "x"], "string", False, "1"),
        (["null", "x"], "string", True, "x"),
        ([str(2**63), "1"], "float64", False, float(2**63)),
        (["inf", "1"], "float64", False, 1.0),
    ],
)
def test_a_columns_type_is_the_one_of_all_its_cells(csv_of, cells, dtype, nullable, example):
    text = "".join(f"{cell},x\n" for cell in ["a", *cells])
    feature = refine(make_card("a"), csv_of(text)).features[0]
    assert (feature.dtype, feature.nullable, feature.example) == (dtype, nullable, example)
    assert type(feature.example) is type(example) or dtype == "float64"


def test_types_hold_over_all_pieces_of_a_long_column(csv_of):
    cells = [f"0{i}" for i in range(1500)] + ["x"] + ["1.5"] * 1500
    feature = only(refine(make_card("a"), csv_of(one_column("a", cells))))
    assert (feature.dtype, feature.example) == ("string", "00")


def test_ranges_and_values_are_documentation(csv_of):
    text = "n,f,t,d\n17,0.5,b,2024-01-31\n90,-1.25,a,2024-02-01 10:00\n"
    card = refine(make_card("n", "f", "t", "d"), csv_of(text))
    assert [f.description for f in card.features] == [
        "From 17 to 90 in the sample",
        "From -1.25 to 0.5 in the sample",
        "Such as a, b",
        "Dates such as 2024-01-31",
    ]
    assert all(not f.categories for f in card.features)


def test_the_example_is_the_first_complete_row(csv_of):
    card = refine(make_card("a", "b"), csv_of("a,b\n1,\n2,3\n4,5\n"))
    assert card.example == (2, 3)


def test_without_a_complete_row_each_column_gives_its_first_value(csv_of):
    card = refine(make_card("a", "b"), csv_of("a,b\n1,\n,3\n"))
    assert card.example == (1, 3)


def test_an_empty_column_says_nothing(csv_of):
    card = refine(make_card("a", "b"), csv_of("a,b\n1,\n2,\n"))
    assert card.features[1] == Feature("b", "float64", nullable=True)
    assert card.warnings == ("The column b of the sample is empty and says nothing.",)


# Categories


def test_few_texts_that_come_back_are_categories(csv_of):
    cells = ["b", "a"] * 10
    card = refine(make_card("t"), csv_of(one_column("t", cells)))
    assert only(card).categories == ("a", "b")
    assert only(card).example == "b"
    assert card.warnings == ("Only the values that the sample has are taken for t.",)


@pytest.mark.parametrize(
    "cells",
    [
        ["b", "a"] * 9,  # too few rows
        [*["b", "a"] * 10, "once"],
        [f"t{i}" for i in range(21)] * 2,  # too many
        ["1", "2"] * 20,  # numbers
        ["2024-01-01", "2024-01-02"] * 10,
    ],
)
def test_other_columns_have_no_categories(csv_of, cells):
    assert only(refine(make_card("t"), csv_of(one_column("t", cells)))).categories == ()


def test_categories_are_documentation_where_the_model_takes_other_texts(csv_of):
    path = csv_of(one_column("t", ["b", "a"] * 10))
    feature = only(refine(make_card(Feature("t", "string")), path))
    assert (feature.categories, feature.description) == ((), "Such as a, b")
    said = "Such as a, c; other values are taken too"
    feature = only(refine(make_card(Feature("t", "string", description=said)), path))
    assert (feature.categories, feature.description) == ((), said)


def test_the_models_categories_stay(csv_of):
    known = Feature("t", "string", categories=("c", "a"), example="c")
    card = refine(make_card(known, "n"), csv_of("t,n\n" + "z,1\na,1\n,1\n" * 10))
    feature = card.features[0]
    assert (feature.categories, feature.example, feature.nullable) == (("c", "a"), "a", False)
    assert card.warnings == (
        "The sample has empty cells in t; the model does not take them.",
        "The sample's t has values that the model does not take: z.",
    )


def test_categories_of_the_model_match_numbers_by_their_text(csv_of):
    known = Feature("t", "string", categories=("1", "2"))
    card = refine(make_card(known), csv_of("t\n2\n1\n"))
    assert (only(card).example, only(card).dtype, card.warnings) == ("2", "string", ())


def test_a_model_that_takes_text_keeps_codes_as_they_are(csv_of):
    card = refine(make_card(Feature("zip", "string")), csv_of("zip\n01234\n"))
    assert (only(card).dtype, only(card).example) == ("string", "01234")


# The model is never contradicted


def test_a_matrix_keeps_its_dtype_and_takes_whole_examples(csv_of):
    card = refine(make_card(Feature("a", "float32"), takes="matrix"), csv_of("a\n3\n"))
    assert (only(card).dtype, only(card).example) == ("float32", 3)
    assert isinstance(only(card).example, int)


@pytest.mark.parametrize(
    ("dtype", "cells", "problem"),
    [
        ("float32", ["1", "red"], "text such as 'red'; the model takes numbers"),
        ("int64", ["1", "2.5"], "numbers with a fraction"),
        ("uint8", ["1", "256"], "values from 1 to 256 in the sample"),
        ("int8", ["-129"], "values from -129"),
        ("bool", ["x"], "text such as 'x'"),
    ],
)
def test_a_matrix_refuses_other_columns(csv_of, dtype, cells, problem):
    with pytest.raises(UsageError) as refused:
        path = csv_of(one_column("a", cells))
        refine(make_card(Feature("a", dtype), takes="matrix"), path)
    assert problem in refused.value.what
    assert "encode" in refused.value.next


def test_a_matrix_takes_what_it_can_hold(csv_of):
    features = Feature("a", "int8"), Feature("b", "float64"), Feature("c", "string")
    card = refine(make_card(*features, takes="matrix"), csv_of("a,b,c\n-128,true,07\n"))
    assert card.example == (-128, 1, "07")
    assert [f.dtype for f in card.features] == ["int8", "float64", "string"]


def test_empty_cells_do_not_make_a_matrix_take_them(csv_of):
    path = csv_of("a,b\n1,\n,2\n")
    features = Feature("a", "float64"), Feature("b", "float64", nullable=True)
    card = refine(make_card(*features, takes="matrix"), path)
    assert [f.nullable for f in card.features] == [False, True]
    assert card.warnings == ("The sample has empty cells in a; the model does not take them.",)


# Which column is which feature


def test_columns_are_found_by_name_in_any_order(csv_of):
    card = refine(make_card("a", "b"), csv_of("b,a\n2,1\n"))
    assert [(f.name, f.example) for f in card.features] == [("a", 1), ("b", 2)]
    assert card.warnings == ()


def test_case_and_spaces_may_differ(csv_of):
    card = refine(make_card("Age", " b", "c"), csv_of("AGE,b,c,C\n1,2,3,4\n"))
    assert [(f.name, f.example) for f in card.features] == [("Age", 1), (" b", 2), ("c", 3)]
    assert card.warnings[:2] == (
        "The sample's column AGE is taken for Age.",
        "The sample's column b is taken for b.",
    )


def test_missing_columns_are_named(csv_of):
    with pytest.raises(UsageError) as refused:
        refine(make_card("a", "b", "A"), csv_of("a,c\n1,2\n"))
    assert refused.value.what == "The sample lacks b, A"
    assert "a, c" in refused.value.why


def test_features_without_names_take_the_samples(csv_of):
    card = refine(make_card("x0", "x1", takes="matrix"), csv_of("len,wid\n1,2\n"))
    assert [(f.name, f.example) for f in card.features] == [("len", 1), ("wid", 2)]
    assert card.warnings == ("The names come from the sample, in its order.",)


def test_a_sample_may_have_the_same_plain_names(csv_of):
    card = refine(make_card("x0", "x1"), csv_of("x1,x0\n1,2\n"))
    assert [(f.name, f.example) for f in card.features] == [("x0", 2), ("x1", 1)]
    assert card.warnings == ()


def test_names_are_never_guessed_when_a_column_is_too_many(csv_of):
    path = csv_of("len,wid,kind\n1,2,0\n")
    unnamed = make_card("x0", "x1", takes="matrix")
    with pytest.raises(UsageError, match="3 columns, the model 2 features") as refused:
        refine(unnamed, path)
    assert "--target kind" in refused.value.next
    assert [f.name for f in refine(unnamed, path, "kind").features] == ["len", "wid"]
    assert [f.name for f in refine(unnamed, path, "len").features] == ["wid", "kind"]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("5.1,3.5", "first line holds numbers"),
        ('a,"b\nc"', "is named 'b c'"),
        (f"a,{'b' * 201}", "is named"),
        ("a,", "is named ''"),
    ],
)
def test_names_from_the_sample_are_checked(csv_of, header, problem):
    with pytest.raises(UsageError) as refused:
        refine(make_card("x0", "x1"), csv_of(f"{header}\n1,2\n"))
    assert problem in refused.value.what


def test_one_column_too_many_is_the_target(csv_of):
    card = refine(make_card("a"), csv_of("a,y\n1,2\n"))
    assert card.warnings == (
        "The sample's column y is no feature: it is taken for the target (--target y says so).",
    )
    assert refine(make_card("a"), csv_of("a,y\n1,2\n"), "y").warnings == ()


def test_more_columns_are_left_out(csv_of):
    left = "Columns of the sample that are no features are left out: "
    path = csv_of("a,id,y\n1,2,3\n")
    assert refine(make_card("a"), path).warnings == (f"{left}id, y.",)
    assert refine(make_card("a"), path, "y").warnings == (f"{left}id.",)


def test_a_target_must_be_there_and_no_feature(csv_of):
    path = csv_of("age,species\n1,2\n")
    with pytest.raises(UsageError, match="no column specis") as refused:
        refine(make_card("age"), path, "specis")
    assert "--target species" in refused.value.next
    with pytest.raises(UsageError, match="age is a feature"):
        refine(make_card("age"), path, "age")


def test_rows_without_names_go_by_position(json_of):
    path = json_of([[1, 2], [3, 4]])
    assert [f.name for f in refine(make_card("x0", "x1"), path).features] == ["x0", "x1"]
    with pytest.raises(UsageError, match="rows have 2 values; the model takes 1"):
        refine(make_card("a"), path)
    with pytest.raises(UsageError, match="no names"):
        refine(make_card("a"), path, "y")


# Classes


@pytest.mark.parametrize(
    ("classes", "cells", "warning"),
    [
        (("a", "b"), ["a", "b", ""], ()),
        ((0, 1), ["0", "1"], ()),
        ((), ["a", "b"], ()),
        ((0, 1), ["0", "1", "2"], ("The target y has 3 different values in the sample, "
                                   "the model 2 classes.",)),
        ((0, 1), [str(i) for i in range(30)], ("The target y has more than 20 different values "
                                               "in the sample, the model 2 classes.",)),
        ((0, 1), ["no", "yes"], ("The target y has the values no, yes; the model file only knows "
                                 "classes 0 to 1, which the service answers.",)),
    ],
)  # fmt: skip
def test_classes_are_compared_and_never_renamed(csv_of, classes, cells, warning):
    text = "a,y\n" + "".join(f"1,{cell}\n" for cell in cells)
    card = refine(make_card("a", classes=classes), csv_of(text), "y")
    assert (card.classes, card.warnings) == (classes, warning)


# Texts and tensors

TEXT = Feature("text", "string")


def test_a_model_of_texts_takes_the_only_column_and_its_name(csv_of, json_of):
    card = refine(make_card(TEXT, takes="texts"), csv_of("review,stars\nGood,5\n"), "stars")
    assert (only(card).name, only(card).example) == ("review", "Good")
    card = refine(make_card(TEXT, takes="texts"), json_of(["Good", "Bad"]))
    assert (only(card).name, only(card).example) == ("text", "Good")


def test_a_model_of_texts_finds_its_column_among_others(csv_of):
    card = refine(make_card(TEXT, takes="texts"), csv_of("review,stars\nGood,5\n"))
    assert (only(card).name, only(card).example) == ("text", "Good")
    assert len(card.warnings) == 2
    card = refine(make_card(TEXT, takes="texts"), csv_of("label,text\nham,Hello\n"))
    assert (only(card).name, only(card).example) == ("text", "Hello")
    with pytest.raises(UsageError, match="2 columns of text"):
        refine(make_card(TEXT, takes="texts"), csv_of("label,body\nham,Hello\n"))


def test_a_tensor_takes_an_example_of_its_shape(json_of):
    image = Feature("image", "float32", (2, None))
    for value in ([[[1, 2], [3, 4]]], [{"image": [[1, 2], [3, 4]]}], {"image": [[1, 2], [3, 4]]}):
        card = refine(make_card(image, takes="inputs"), json_of(value))
        assert only(card).example == [[1, 2], [3, 4]]
        assert only(card).shape == (2, None)
    for value, held in (
        ([[[1, 2]]], "shape [1, 2]"),
        ([[[1], [2, 3]]], "unequal"),
        ([{"image": 5}], "shape []"),
    ):
        with pytest.raises(UsageError) as refused:
            refine(make_card(image, takes="inputs"), json_of(value))
        assert held in refused.value.what


def test_lists_and_objects_are_no_values_of_a_table(json_of):
    with pytest.raises(UsageError, match="single values"):
        refine(make_card("a"), json_of([{"a": [1]}]))
    with pytest.raises(UsageError, match="objects"):
        refine(make_card("a"), json_of([{"a": {"b": 1}}]))


def test_a_long_or_broken_tensor_is_no_example(json_of):
    tensor = Feature("v", "float32", (None,))
    for value in ([0.5] * 1001, [1, None], [1, "x"], [math.inf]):
        card = refine(make_card(tensor, takes="inputs"), json_of([{"v": value}]))
        assert only(card).example is None


def test_columns_tell_how_many_values_a_torchscript_takes(csv_of):
    free = make_card(
        Feature("input", "float32", (None,)), takes="inputs", format="torchscript",
        warnings=("Pass a `--sample`.", "Another."),
    )  # fmt: skip
    card = refine(free, csv_of("a,b,y\n1,2.5,0\n"), "y")
    assert card.takes == "matrix"
    assert [(f.name, f.dtype, f.shape, f.example) for f in card.features] == [
        ("a", "float32", (), 1),
        ("b", "float32", (), 2.5),
    ]
    assert card.warnings[0] == "Another."
    assert "2 columns are taken" in card.warnings[1]
    with pytest.raises(UsageError, match="takes numbers"):
        refine(free, csv_of("a,b\n1,red\n"))


def test_nested_lists_tell_the_shape_of_a_torchscript(json_of):
    feature = Feature("input", "float32", (None,))
    free = make_card(feature, takes="inputs", format="torchscript")
    card = refine(free, json_of([[[1, 2, 3]], [[4, 5, 6], [7, 8, 9]]]))
    assert only(card).shape == (None, 3)
    assert "any x 3 values" in card.warnings[0]
    card = refine(free, json_of([{"input": [1, 2]}]))
    assert (only(card).shape, only(card).example) == ((None,), [1, 2])
    with pytest.raises(UsageError, match="shape"):
        refine(make_card(feature, takes="inputs", format="onnx"), json_of([[[1, 2]]]))


# Any table

_TEXTS = st.text("abcdäöü ,;\"'\n|", min_size=1, max_size=5).map(lambda text: f"t{text}")
_CELLS = st.one_of(
    st.lists(st.integers(-(2**65), 2**65), min_size=6, max_size=6),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.lists(_TEXTS, min_size=6, max_size=6),
    st.lists(st.none() | st.integers(0, 5), min_size=6, max_size=6),
    st.lists(st.none() | _TEXTS, min_size=6, max_size=6),
    st.lists(st.sampled_from(["ta", "tb"]), min_size=24, max_size=24),
)


@given(st.lists(_CELLS, min_size=1, max_size=4), st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_csv_and_json_of_one_table_say_the_same(tmp_path_factory, columns, frame):
    folder = tmp_path_factory.mktemp("table")
    names = [f"c{i}" for i in range(len(columns))]
    cells = list(zip(*columns, strict=False))
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL)
        writer.writerow(["", *names])
        # pandas writes an index too: without it a row of one empty cell is a blank line
        writer.writerows(["i", *row] for row in cells)
    (folder / "t.json").write_text(
        json.dumps([dict(zip(names, row, strict=True)) for row in cells])
    )
    card = make_card(*names, takes="frame" if frame else "matrix")
    found = []
    for suffix in ("csv", "json"):
        try:
            found.append(refine(card, folder / f"t.{suffix}"))
        except UsageError as error:
            found.append(error.what)
    assert found[0] == found[1]
    if isinstance(found[0], ModelCard):
        for feature in found[0].features:
            json.dumps(feature.example, allow_nan=False)
            assert not feature.categories or feature.example in feature.categories


@given(st.binary(max_size=300), st.sampled_from(["csv", "json"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_card_or_a_plain_error(tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes(data)
    for card in (make_card("a"), make_card("x0", takes="matrix"), make_card(TEXT, takes="texts")):
        try:
            refine(card, path)
        except UsageError as error:
            assert error.what and error.next


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


@given(_JSON)
@settings(max_examples=100, deadline=None)
def test_any_json_gives_a_card_or_a_plain_error(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    tensor = make_card(Feature("v", "float32", (None,)), takes="inputs", format="torchscript")
    for card in (make_card("a"), make_card("x0", takes="matrix"), tensor):
        try:
            json.dumps(refine(card, path).example, allow_nan=False)
        except UsageError as error:
            assert error.what and error.next


# Hostile files

_MILLION = 1_000_000
HOSTILE = {
    "a-million-columns.csv": [",".join(f"c{i}" for i in range(_MILLION)), "\n", "1," * _MILLION],
    "one-long-field.csv": ["a\n", *["x" * _MILLION] * 20],
    "one-open-quote.csv": ['a\n"', *["x\n" * (_MILLION // 2)] * 20],
    "blank.csv": ["a\n", *["\n" * _MILLION] * 20],
    "commas.csv": ["," * 3 * _MILLION + "\n", *["1," * 2 * _MILLION] * 10],
    "spaces.json": [" " * _MILLION] * 20,
    "one-long-text.json": ['"', *["a" * _MILLION] * 20],
    "lists-in-one-row.json": ["[[", *["[]," * _MILLION] * 20],
    "deep.json": ["[" * _MILLION] * 20,
    "new-keys.json": ["[", *(f'{{"k{i}":1}},' for i in range(_MILLION // 4))],
    "ragged.csv": ["a,b\n", *["1,2\n"] * 1000, "3\n"],
}

# VmHWM, not ru_maxrss: that one remembers the process that it was forked from.
_MEASURE = """
import re, sys
from pathlib import Path
from mlship.card import Feature, ModelCard
from mlship.errors import UsageError
from mlship.sampling import refine
card = ModelCard(Path("m"), "f", "f", None, "d", "t", (Feature("a", "float64"),))
try:
    refine(card, Path(sys.argv[1]))
except UsageError:
    status = Path("/proc/self/status").read_text()
    print(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_soon_and_in_little_memory(tmp_path, name):
    path = tmp_path / name
    with path.open("w") as file:
        file.writelines(HOSTILE[name])
    _refused_soon(path)


def test_binary_garbage_is_refused(tmp_path):
    for suffix in ("csv", "json", "parquet"):
        path = tmp_path / f"garbage.{suffix}"
        path.write_bytes(random.Random(0).randbytes(_MILLION))
        _refused_soon(path)


def _refused_soon(path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, timeout=60
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.returncode == 0 and done.stdout, done.stderr[-2000:]
    assert int(done.stdout) < 300_000, f"{int(done.stdout) // 1000} MB"
    assert used < 5, f"{used:.1f} s"


def test_a_long_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("a\n" + "1\n" * 200_000)
        file.truncate(20 * 2**30)  # sparse; NULs, which would be refused
    card = refine(make_card("a"), path)
    assert card.warnings == ("Only the first 100,000 rows of the sample were looked at.",)


# Parquet


def test_the_command_that_reads_parquet():
    command = parquet.convert("/bin/uv", Path("/data/t.parquet"), Path("/tmp/o/rows.jsonl"))
    assert command.argv[:5] == ("/bin/uv", "run", "--no-project", "--quiet", "--script")
    assert Path(command.argv[5]).is_file()
    assert command.argv[6:8] == ("/data/t.parquet", "/tmp/o/rows.jsonl")


def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv, "program", lambda: str(program))
    sample = tmp_path / "t.parquet"
    sample.write_bytes(b"PAR1 whatever PAR1")
    return sample


def test_what_the_reader_of_parquet_writes_is_read(tmp_path, monkeypatch):
    head = '{"names": ["a", "t"], "declared": {"t": ["z", "y", "never"]}}'
    lines = "\\n".join([head, '[1, "y"]', '[2, "z"]'])
    sample = fake_uv(tmp_path, monkeypatch, f"printf '%b' '{lines}' > \"$7\"")
    a, t = refine(make_card("a", "t"), sample).features
    assert (a.dtype, a.example) == ("int64", 1)
    assert (t.dtype, t.categories, t.example) == ("string", ("z", "y", "never"), "y")


def test_without_a_network_parquet_fails_plainly(tmp_path, monkeypatch):
    sample = fake_uv(tmp_path, monkeypatch, "echo no route >&2; exit 2")
    with pytest.raises(ToolFailed) as failed:
        refine(make_card("a"), sample)
    assert failed.value.why == "no route"
    assert "CSV" in failed.value.next


def test_damaged_parquet_is_the_samples_fault(tmp_path, monkeypatch):
    sample = fake_uv(tmp_path, monkeypatch, "echo bad footer >&2; exit 65")
    with pytest.raises(UsageError) as refused:
        refine(make_card("a"), sample)
    assert refused.value.why == "bad footer"


_MAKE = """
import datetime, decimal, sys
import pandas as pd
table = pd.DataFrame({
    "age": [40, 41] * 12,
    "size": [1.5, None] * 12,
    "member": [True, False] * 12,
    "city": ["Rome", "Oslo"] * 12,
    "kind": pd.Categorical(["b", "a"] * 12, categories=["c", "b", "a"]),
    "level": pd.Categorical([3, 1] * 12, categories=[3, 2, 1]),
    "day": [datetime.date(2024, 1, 31)] * 24,
    "when": [pd.Timestamp("2024-01-31 10:00")] * 24,
    "price": [decimal.Decimal("1.25")] * 24,
    "y": ["no", "yes"] * 12,
}, index=range(5, 29))
table.to_parquet(sys.argv[1])
pd.DataFrame({"v": range(100_005)}).to_parquet(sys.argv[2])
pd.DataFrame({"v": [1]}).head(0).to_parquet(sys.argv[3])
"""


@pytest.mark.slow
def test_a_real_parquet_file(tmp_path):
    paths = [tmp_path / name for name in ("t.parquet", "long.parquet", "empty.parquet")]
    with_pandas = ("run", "--no-project", "--with", "pandas", "--with", "pyarrow")
    command = [uv.program(), *with_pandas, "python", "-c", _MAKE, *map(str, paths)]
    subprocess.run(command, check=True)
    names = ["age", "size", "member", "city", "kind", "level", "day", "when", "price"]
    card = refine(make_card(*names), paths[0], "y")
    assert [(f.dtype, f.nullable, f.categories, f.example) for f in card.features] == [
        ("int64", False, (), 40),
        ("float64", True, (), 1.5),
        ("bool", False, (), True),
        ("string", False, ("Oslo", "Rome"), "Rome"),
        ("string", False, ("c", "b", "a"), "b"),
        ("int64", False, (), 3),  # of whole numbers, Parquet does not keep categories
        ("string", False, (), "2024-01-31"),
        ("string", False, (), "2024-01-31T10:00:00"),
        ("float64", False, (), 1.25),
    ]
    assert card.warnings == ("Only the values that the sample has are taken for city.",)
    assert only(refine(make_card("v"), paths[1])).description == "From 0 to 99999 in the sample"
    with pytest.raises(UsageError, match="can't be read"):
        refine(make_card("v"), paths[2])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1" + os.urandom(500) + b"PAR1")
    with pytest.raises(UsageError, match="can't be read"):
        refine(make_card("v"), broken)


def test_nothing_heavy_is_imported_for_a_csv(csv_of):
    code = _MEASURE + (
        "print({'numpy', 'pandas', 'pyarrow', 'pydantic', 'uv'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, str(csv_of("a\n1\n"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_limits_agree():
    assert documents.MOST_CHARACTERS > tables.MOST_CHARACTERS + 2 * documents.LONGEST_VALUE
    assert delimited.LONGEST_LINE < tables.MOST_CHARACTERS
