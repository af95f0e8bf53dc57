from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Export


class ExportProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField(source="parts_done")
    total = serializers.IntegerField(source="parts_total")


class ExportSerializer(serializers.ModelSerializer[Export]):
    progress = ExportProgressSerializer(source="*")
    download_url = serializers.SerializerMethodField(
        help_text="Holds for 15 minutes and needs no sign-in; read again for a new one. Null unless `status` is `ready`."
    )

    class Meta:
        model = Export
        fields = (
            "id",
            "status",
            "progress",
            "created_at",
            "finished_at",
            "expires_at",
            "download_url",
        )
        read_only_fields = fields

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_download_url(self, _: Export) -> str | None:
        link: str | None = self.context["download_url"]
        return link


class ErasureSerializer(serializers.Serializer[Any]):
    erase_after = serializers.DateTimeField(
        help_text="From then on the account is erased. Signing in before undoes it."
    )
