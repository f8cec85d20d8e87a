"""The request and the response, typed. OpenAPI, validation and the docs page come from here."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from app import card
from app.settings import settings

{% if cookiecutter.number_type == "int" %}
# Whole numbers that the model's {{ cookiecutter.dtype }} input can hold.
Number = Annotated[int, Field(strict=True, ge=-(2**{{ cookiecutter.int_bits - 1 }}), le=2**{{ cookiecutter.int_bits - 1 }} - 1)]
{% else %}
# Finite, and within float32: what the model computes with.
FLOAT32_MAX = 3.4028234663852886e38
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
{% endif %}

# One instance by name ...
Instance = TypedDict(
    "Instance",
    {
{% for feature in cookiecutter.features %}
        {{ feature.literal }}: Number,
{% endfor %}
    },
)
with_config(extra="forbid")(Instance)
FEATURES = list(Instance.__annotations__)


def _only_features(value: dict[str, Any]) -> dict[str, Any]:
    """Name the first unknown key only: a body may hold millions of them."""
    unknown = next((key for key in value if key not in Instance.__annotations__), None)
    if unknown is not None:
        raise PydanticCustomError("unknown_feature", "is unknown", {"field": unknown[:200]})
    return value


# ... or as a list, in this same order.
Row = Annotated[list[Number], Field(min_length=len(FEATURES), max_length=len(FEATURES))]


def _form(value: Any) -> str | None:
    if isinstance(value, list):
        return "list"
    return "object" if isinstance(value, dict) else None


Either = Annotated[
    Annotated[Instance, BeforeValidator(_only_features), Tag("object")]
    | Annotated[Row, Tag("list")],
    Discriminator(
        _form,
        custom_error_type="instance_type",
        custom_error_message=f"should be a list of {len(FEATURES)} numbers or an object of features",
    ),
]


EXAMPLES: list[Any] = [{"instances": [card.EXAMPLE, list(card.EXAMPLE.values())]}]


class PredictRequest(BaseModel):
    """Instances to predict, each a list in feature order or an object keyed by feature name."""

    model_config = ConfigDict(json_schema_extra={"examples": EXAMPLES})

    instances: Annotated[list[Either], Field(min_length=1, max_length=settings.max_batch_size)]


class PredictResponse(BaseModel):
    """One prediction per instance, in the order they were sent."""

    predictions: list[{{ cookiecutter.prediction_type }}]
{% if cookiecutter.probabilities %}
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
    features=[Feature(name=name, type="{{ cookiecutter.json_type }}") for name in FEATURES],
    classes=card.CLASSES,
)
