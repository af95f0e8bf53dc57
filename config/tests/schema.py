"""The document that clients get, made once for all tests that walk it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    content: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def responses(self) -> dict[str, Any]:
        return {
            status: resolved(response)
            for status, response in self.content["responses"].items()
        }

    @property
    def codes(self) -> set[str]:
        return {
            code
            for response in self.responses.values()
            for code in response.get("content", {}).get(PROBLEM, {}).get("examples", {})
        }

    def address(self) -> str:
        """Fill the path with ids that nothing has."""
        return self.address_of(self.path)

    def address_of(self, path: str) -> str:
        for parameter in self.content.get("parameters", []):
            if parameter["in"] == "path":
                is_id = parameter["schema"].get("format") == "uuid"
                value = "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11" if is_id else "1"
                path = path.replace("{" + parameter["name"] + "}", value)
        return path

    def body_example(self) -> Any:
        for media in self.content.get("requestBody", {}).get("content", {}).values():
            for example in media.get("examples", {}).values():
                return example["value"]
        return {}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference inside the document."""
    while "$ref" in part:
        found: Any = document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


@cache
def document() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


@cache
def complaints() -> list[str]:
    """Say what the generator could not make out."""
    document()
    return [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]  # noqa: SLF001 -- nowhere else to be had


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(_operations())


def _operations() -> Iterator[Operation]:
    for path, methods in sorted(document()["paths"].items()):
        for method, content in sorted(methods.items()):
            yield Operation(method.upper(), path, content)
