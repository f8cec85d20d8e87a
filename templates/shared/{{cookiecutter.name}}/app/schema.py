"""The request and the response, typed. OpenAPI, validation and the docs page come from here."""

from typing import {{ cookiecutter.schema_typing }}

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from app import card
from app.settings import settings
{% if cookiecutter.has_tensors %}
from app.shapes import Shape
{% endif %}
{% if cookiecutter.definitions %}

{% endif %}
{% if cookiecutter.has_numbers %}
FLOAT32_MAX = 3.4028234663852886e38
{% endif %}
{% for definition in cookiecutter.definitions %}
{% if definition.comment %}
# {{ definition.comment }}
{% endif %}
{{ definition.name }} = {{ definition.lines | join("\n") }}
{% endfor %}

# One instance by name ...
Instance = TypedDict(
    "Instance",
    {
{% for feature in cookiecutter.features %}
        {{ feature.literal }}: {{ feature.annotation }},
{% endfor %}
    },
)
{% if cookiecutter.descriptions %}


def _describe(schema: dict[str, Any]) -> None:
    """Add what is known of each feature to the OpenAPI document."""
    for name, text in card.DESCRIPTIONS.items():
        schema["properties"][name]["description"] = text


with_config(extra="forbid", json_schema_extra=_describe)(Instance)
{% else %}
with_config(extra="forbid")(Instance)
{% endif %}
FEATURES = list(Instance.__annotations__)


def _only_features(value: dict[str, Any]) -> dict[str, Any]:
    """Name the first unknown key only: a body may hold millions of them."""
    unknown = next((key for key in value if key not in Instance.__annotations__), None)
    if unknown is not None:
        raise PydanticCustomError("unknown_feature", "is unknown", {"field": unknown[:200]})
    return value


{% if cookiecutter.bare and cookiecutter.bare_form == "list" %}
# ... or just its only value.
Row = {{ cookiecutter.features[0].annotation }}
{% elif cookiecutter.uniform %}
# ... or as a list, in this same order.
LENGTH = len(FEATURES)
Row = Annotated[list[{{ cookiecutter.uniform }}], Field(min_length=LENGTH, max_length=LENGTH)]
{% else %}
def _as_many(value: Any) -> Any:
    if isinstance(value, list) and len(value) != len(FEATURES):
        kind = "too_short" if len(value) < len(FEATURES) else "too_long"
        context = {"min_length": len(FEATURES), "actual_length": len(value)}
        raise PydanticCustomError(kind, "has a wrong number of values", context)
    return value


# ... or as a list, in this same order.
if TYPE_CHECKING:
    Row = list[Any]
else:
    Row = Annotated[tuple[tuple(Instance.__annotations__.values())], BeforeValidator(_as_many)]
{% endif %}


def _form(value: Any) -> str | None:
    if isinstance(value, list):
        return "list"
{% if cookiecutter.bare and cookiecutter.bare_form == "text" %}
    if isinstance(value, str):
        return "text"
{% endif %}
    return "object" if isinstance(value, dict) else None


Either = Annotated[
    Annotated[Instance, BeforeValidator(_only_features), Tag("object")]
{% if cookiecutter.bare and cookiecutter.bare_form == "text" %}
    | Annotated[Row, Tag("list")]
    | Annotated[str, Tag("text")],
{% else %}
    | Annotated[Row, Tag("list")],
{% endif %}
    Discriminator(
        _form,
        custom_error_type="instance_type",
{% if cookiecutter.bare %}
        custom_error_message="should be {{ "a text" if cookiecutter.bare_form == "text" else "nested lists" }} or an object of features",
{% elif cookiecutter.json_type == "number" %}
        custom_error_message=f"should be a list of {len(FEATURES)} numbers or an object of features",
{% else %}
        custom_error_message=f"should be a list of {len(FEATURES)} values or an object of features",
{% endif %}
    ),
]


{% if cookiecutter.bare %}
EXAMPLES: list[Any] = [{"instances": [card.EXAMPLE, *card.EXAMPLE.values()]}]
{% else %}
EXAMPLES: list[Any] = [{"instances": [card.EXAMPLE, list(card.EXAMPLE.values())]}]
{% endif %}


class PredictRequest(BaseModel):
    """Instances to predict, each a list in feature order or an object keyed by feature name."""

    model_config = ConfigDict(json_schema_extra={"examples": EXAMPLES})

    instances: Annotated[list[Either], Field(min_length=1, max_length=settings.max_batch_size)]


class PredictResponse(BaseModel):
    """One prediction per instance, in the order they were sent."""

    predictions: list[{{ cookiecutter.prediction_type }}]
{% if cookiecutter.probabilities and cookiecutter.several %}
    probabilities: Annotated[
        list[list[list[float]]],
        Field(description="Per instance and output, one per class, in the order of /info."),
    ]
{% elif cookiecutter.probabilities %}
    probabilities: Annotated[
        list[list[float]],
        Field(description="Per instance, one probability per class, in the order of /info."),
    ]
{% endif %}


class Feature(BaseModel):
    """One input of the model."""

    name: str
    type: str


class Info(BaseModel):
    """What is being served."""

    name: str
    version: Annotated[str, Field(description="The sha256 of the model file.")]
    framework: str
    description: str
    task: str
    features: list[Feature]
    classes: list[{{ cookiecutter.label_type }}]


class Health(BaseModel):
    """The state of this process."""

    status: str


INFO = Info(
    name=card.NAME,
    version=card.MODEL_SHA256,
    framework=card.FRAMEWORK,
    description=card.DESCRIPTION,
    task=card.TASK,
{% if cookiecutter.json_type %}
    features=[Feature(name=name, type="{{ cookiecutter.json_type }}") for name in FEATURES],
{% else %}
    features=[Feature(name=name, type=kind) for name, kind in card.TYPES.items()],
{% endif %}
    classes=card.CLASSES,
)
