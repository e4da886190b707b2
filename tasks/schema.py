"""JSON schemas of the configuration, each key described by the docstring that stands below it in the code.

Reading those docstrings means reading the source of every class. That is done here, where a schema is asked for, and
not by pydantic's `use_attribute_docstrings`, which does it in every process that loads a configuration.
"""

import ast
import inspect
import textwrap
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class DescribedSchema(GenerateJsonSchema):
    """Gives properties that say nothing of themselves the docstring of their attribute, and defaults that are made, made."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of one model."""
        described = super().model_schema(schema)
        for name, text in attribute_docstrings(schema["cls"]).items():
            field = schema["cls"].model_fields.get(name)
            if field and (written := described["properties"].get(field.alias or name)) is not None:
                written.setdefault("description", text)
        for name, field in schema["cls"].model_fields.items():
            if field.default_factory is not None:
                made = TypeAdapter(field.annotation).dump_python(
                    field.get_default(call_default_factory=True), mode="json"
                )
                described["properties"][field.alias or name].setdefault("default", made)
        return described


def attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return attribute -> the text that stands below it, of a class and of those that it extends."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            assert isinstance(body, ast.ClassDef)
            for statement, below in zip(body.body, body.body[1:], strict=False):
                match statement, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        found[name] = inspect.cleandoc(text)
    return found


def json_schema(part: str = "params") -> dict[str, Any]:
    """Return the JSON schema of params.yaml, or of one recipe (part "recipe")."""
    if part == "recipe":
        from models.recipe import Recipe
        from tasks.train.trees.config import TreesRecipe

        return TypeAdapter(Recipe | TreesRecipe).json_schema(schema_generator=DescribedSchema)
    from tasks.config import Params

    return Params.model_json_schema(schema_generator=DescribedSchema)
