"""What the parts of a map are made of: the base of every part, and the kinds of their fields.

Sections of the map with a module of their own (``surveys.py``) stand on this, and ``model.py`` puts them together.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from polku.journey import values
from polku.journey.values import DURATION, duration, freeze, one_or_many, share

#: A text, or one a language.
Text = Annotated[str | dict[str, str], PlainValidator(values.text, json_schema_input_type=str | dict[str, str])]
Name = Annotated[str, PlainValidator(values.name, json_schema_input_type=str)]
Seconds = Annotated[
    int, BeforeValidator(duration, json_schema_input_type=Annotated[str, Field(pattern=DURATION.pattern)] | int)
]
Share = Annotated[
    float, BeforeValidator(share, json_schema_input_type=Annotated[str, Field(pattern=values.SHARE.pattern)] | float)
]
Day = Annotated[dt.date, BeforeValidator(values.day, json_schema_input_type=dt.date)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_many, json_schema_input_type=Text | list[Text] | None)]
Names = Annotated[tuple[Name, ...], BeforeValidator(one_or_many, json_schema_input_type=Name | list[Name] | None)]
Feeling = Annotated[float, Field(ge=-2, le=2, strict=True)]
Free = Annotated[dict[str, Any], AfterValidator(freeze)]


def empty(value: Any) -> Any:
    return {} if value is None else value


class Part(BaseModel):
    """Any part of the map: frozen, and without keys that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, defer_build=True
    )
