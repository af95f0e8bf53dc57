from django.contrib import admin

from accounts.models import ActivityEntry
from core.administration import ReadOnlyAdmin


@admin.register(ActivityEntry)
class ActivityEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "user", "kind", "address", "device_name")
    list_select_related = ("user",)
    search_fields = ("=user__email", "=address")
    search_help_text = "The person's whole address, or the network address"
    ordering = ("-at", "-id")
    fields = (
        ("user", "kind", "at"),
        ("address", "device_name"),
        "user_agent",
        "details",
    )
