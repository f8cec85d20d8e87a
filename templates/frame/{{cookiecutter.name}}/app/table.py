"""Rows as a DataFrame, with the types that the model was trained on."""

from typing import Any{{ ", get_args" if cookiecutter.numbers_categories else "" }}

import pandas as pd

{% if cookiecutter.numbers_categories %}
from app import schema
{% endif %}
from app.schema import FEATURES

DTYPES: dict[str, Any] = {
{% for feature in cookiecutter.features %}
{% if cookiecutter.numbers_categories and feature.category %}
    {{ feature.literal }}: pd.CategoricalDtype(list(get_args(schema.{{ feature.category }}))),
{% else %}
    {{ feature.literal }}: {{ feature.column }},
{% endif %}
{% endfor %}
}


def to_frame(rows: list[list[Any]]) -> pd.DataFrame:
    """Return one row per instance; null becomes NaN."""
    table = pd.DataFrame(rows, columns=FEATURES).astype(DTYPES)
{% if cookiecutter.has_nullable %}
    return table.where(table.notna(), float("nan"))
{% else %}
    return table
{% endif %}
