"""Query parameters read by a serializer that declares them."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.exceptions import InvalidParameterError


def read_parameters(
    request: Request, parameters: type[serializers.Serializer[Any]]
) -> dict[str, Any]:
    """Return what the request gives of the parameters.

    :raises InvalidParameterError: for a value that can't be meant.
    """
    known = parameters().fields.keys()
    reader = parameters(
        data={name: request.GET[name] for name in known if name in request.GET}
    )
    if not reader.is_valid():
        name, details = next(iter(reader.errors.items()))
        raise InvalidParameterError(str(details[0]), parameter=name)
    given: dict[str, Any] = reader.validated_data
    return given
