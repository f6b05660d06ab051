"""What the models share: forbidden extra keys, the person's own `x-` keys, and values that a variable may stand for."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from reconciler.spec.shape.names import NAME

NAME_PATTERN = f"^{NAME.pattern}$"


def _own_keys(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {"^x-": {}}


class Shape(BaseModel):
    """A mapping with known keys. Keys that begin with `x-` are the person's own and have no meaning; null is nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_own_keys)


Reference: TypeAlias = Annotated[
    str, Field(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$", description="a declared variable, ${name}")
]
Name: TypeAlias = Annotated[str, Field(pattern=rf"{NAME_PATTERN[:-1]}$|^\$\{{")]
Text: TypeAlias = str | int | float
AnyText: TypeAlias = str | int | float | bool
Flag: TypeAlias = bool | Reference
Duration: TypeAlias = Annotated[
    str | int | float, Field(description="30s, 1m30s, 250ms or PT30S; a number is seconds", examples=["30s"])
]
Size: TypeAlias = Annotated[
    str | int, Field(description="256m or 1g, in powers of 1024; a number is bytes", examples=["256m"])
]
Mode: TypeAlias = Annotated[
    str | int, Field(description="permission bits; the digits are octal however they are written", examples=["0440"])
]
Words: TypeAlias = Annotated[
    list[AnyText] | Text, Field(description="a list of words, or one text that is split as a shell would")
]


Whole: TypeAlias = Annotated[int, Field(ge=0)] | Reference
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1)] | Reference
Number: TypeAlias = Annotated[float, Field(ge=0)] | Reference
PortNumber: TypeAlias = Annotated[int, Field(ge=1, le=65_535)] | Reference
HostPort: TypeAlias = Annotated[int, Field(ge=0, le=65_535)] | Reference
Replicas: TypeAlias = Annotated[int, Field(ge=0, le=1_000)] | Reference
Limit: TypeAlias = Annotated[int, Field(ge=-1)] | Reference

T = TypeVar("T")
# A list, one item alone, or a variable that holds a list.
Listed: TypeAlias = list[T] | T | Reference


class SecretUse(Shape):
    """A secret's value in place of text."""

    secret: Name


TextTable: TypeAlias = dict[str, AnyText | None] | list[AnyText]
Environment: TypeAlias = Annotated[
    dict[str, AnyText | SecretUse] | list[str],
    Field(description="a mapping of names to text or {secret: name}, or a list of NAME=value"),
]
