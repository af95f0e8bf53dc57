"""``?fields=id,title``: only those members."""

from collections.abc import Collection, Mapping
from typing import Any

from core.exceptions import InvalidParameterError

MAX_NAMES = 50


def parse_member_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names) or len(names) > MAX_NAMES:
        raise InvalidParameterError(
            "Give names, separated by commas.", parameter="fields"
        )
    return names


def require_known(names: Collection[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidParameterError(
            f"There is no member {unknown[0]!r}.",
            parameter="fields",
            known=sorted(known),
        )


def select_members(content: Any, names: Collection[str]) -> Any:
    """Reduce a resource, or each result of a list's envelope, to the named members.

    :raises InvalidParameterError: for a name that a present resource doesn't have.
    """
    if isinstance(content, Mapping) and isinstance(content.get("results"), list):
        results = [select_members(result, names) for result in content["results"]]
        return {**content, "results": results}
    if isinstance(content, list):
        return [select_members(entry, names) for entry in content]
    if not isinstance(content, Mapping):
        return content
    require_known(names, content)
    return {name: content[name] for name in names}
