"""What is known of the model. Rendered from its file: do not edit, see README.md."""

NAME = "{{ cookiecutter.name }}"
VERSION = "{{ cookiecutter.version }}"
TASK = "{{ cookiecutter.task }}"
FRAMEWORK = "{{ cookiecutter.framework_label }}"
DESCRIPTION = {{ cookiecutter.description_literal }}

MODEL_FILE = {{ cookiecutter.model_file_literal }}
MODEL_SHA256 = "{{ cookiecutter.sha256 }}"
{% if cookiecutter.input_name %}

# The graph's input, and the outputs that are asked for.
INPUT = {{ cookiecutter.input_name }}
OUTPUTS = [
{% for output in cookiecutter.output_names %}
    {{ output }},
{% endfor %}
]
{% endif %}

# In the order of the probabilities.
{% if cookiecutter.classes %}
CLASSES: list[{{ cookiecutter.label_type }}] = [
{% for label in cookiecutter.classes %}
    {{ label }},
{% endfor %}
]
{% else %}
CLASSES: list[str] = []
{% endif %}

EXAMPLE: dict[str, {{ cookiecutter.number_type }}] = {
{% for feature in cookiecutter.features %}
    {{ feature.literal }}: {{ feature.example }},
{% endfor %}
}
