"""What is known of the model. Rendered from its file: do not edit, see README.md."""

{% if cookiecutter.example_type == "Any" %}
from typing import Any

{% endif %}
{% if cookiecutter.has_zeros %}
import numpy as np

{% endif %}
NAME = "{{ cookiecutter.name }}"
VERSION = "{{ cookiecutter.version }}"
TASK = "{{ cookiecutter.task }}"
FRAMEWORK = "{{ cookiecutter.framework_label }}"
DESCRIPTION = {{ cookiecutter.description_literal }}

MODEL_FILE = {{ cookiecutter.model_file_literal }}
MODEL_SHA256 = "{{ cookiecutter.sha256 }}"
{% if cookiecutter.inputs %}

# The names of the model's inputs, and of the outputs that are asked for.
INPUTS = [
{% for name in cookiecutter.inputs %}
    {{ name }},
{% endfor %}
]
{% endif %}
{% if cookiecutter.outputs %}
OUTPUTS = [
{% for name in cookiecutter.outputs %}
    {{ name }},
{% endfor %}
]
{% endif %}

{% if cookiecutter.several %}
# Of each output, in the order of its probabilities.
{% else %}
# In the order of the probabilities.
{% endif %}
{% if cookiecutter.classes %}
CLASSES: list[{{ cookiecutter.label_type }}] = [
{% for label in cookiecutter.classes %}
    {{ label }},
{% endfor %}
]
{% else %}
CLASSES: list[str] = []
{% endif %}

EXAMPLE: dict[str, {{ cookiecutter.example_type }}] = {
{% for feature in cookiecutter.features %}
    {{ feature.literal }}: {{ feature.example }},
{% endfor %}
}
{% if not cookiecutter.json_type %}
# The JSON type of each feature.
TYPES = {
{% for feature in cookiecutter.features %}
    {{ feature.literal }}: "{{ feature.json_type }}",
{% endfor %}
}
{% endif %}
{% if cookiecutter.descriptions %}
DESCRIPTIONS = {
{% for each in cookiecutter.descriptions %}
    {{ each.literal }}: {{ each.text }},
{% endfor %}
}
{% endif %}
