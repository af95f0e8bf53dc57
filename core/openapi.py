from drf_spectacular.openapi import AutoSchema


class Schema(AutoSchema):
    """How views describe themselves."""
