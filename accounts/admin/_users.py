from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import services
from accounts.constants import Role
from accounts.models import User
from accounts.selectors import role_names
from core import audit
from core.administration import ModelAdmin

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg, misc]  # not generic at run time; both take any arguments
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "roles", "is_staff", "is_active", "created_at")
    list_filter = ("groups", "is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("-created_at",)
    filter_horizontal = ("groups",)
    readonly_fields = ("is_staff", "last_login", "created_at", "email_verified_at")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Reading", {"fields": ("locale", "timezone")}),
        ("Roles", {"fields": ("groups", "is_active", "is_staff", "is_superuser")}),
        ("Moments", {"fields": ("created_at", "email_verified_at", "last_login")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password")}),
        ("Password", {"fields": ("password1", "password2")}),
        ("Roles", {"fields": ("groups",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(role_names(user)) or "-"

    def get_readonly_fields(
        self, request: HttpRequest, obj: User | None = None
    ) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        # Only who may do anything already can give that away.
        return fields if request.user.is_superuser else (*fields, "is_superuser")

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        is_above = bool(obj and obj.is_superuser and not request.user.is_superuser)
        return not is_above and super().has_change_permission(request, obj)

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        obj: User | None = None,  # noqa: ARG002 -- Django's signature
    ) -> bool:
        # Orders and the audit log refer to people: accounts are closed, not deleted.
        return False

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        # The service saves the roles, and writes down who changed them.
        groups = form.cleaned_data.pop("groups", None)
        super().save_related(request, form, formsets, change)
        if groups is not None:
            roles = [group.name for group in groups]
            services.assign_roles(
                user_id=form.instance.pk, roles=roles, actor_id=request.user.pk
            )


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, ModelAdmin):
    """The roles that the code names stay; what each may do is the shop's to say."""

    list_display = ("name", "people")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(people_count=Count("user"))

    @admin.display(description="People", ordering="people_count")
    def people(self, group: Any) -> int:
        return int(group.people_count)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Group | None = None
    ) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "name") if _is_built_in(obj) else fields

    def has_delete_permission(
        self, request: HttpRequest, obj: Group | None = None
    ) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and not _is_built_in(obj)

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        before = _codenames(form.instance)
        super().save_related(request, form, formsets, change)
        after = _codenames(form.instance)
        if after != before:
            audit.record(
                form.instance,
                "role_permissions_changed",
                before={"permissions": before},
                after={"permissions": after},
                actor_id=request.user.pk,
            )


def _is_built_in(role: Group | None) -> bool:
    return role is not None and role.name in set(Role)


def _codenames(role: Group) -> list[str]:
    rows = role.permissions.order_by("content_type__app_label", "codename")
    return [
        f"{app}.{name}"
        for app, name in rows.values_list("content_type__app_label", "codename")
    ]
