from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import services
from accounts.constants import Role
from accounts.models import User
from accounts.selectors import permission_names, role_names
from core.administration import ModelAdmin

admin.site.unregister(Group)


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ("email", "name", "locale", "timezone", "groups")

    def clean_email(self) -> str:
        return User.objects.normalize_email(self.cleaned_data["email"])


@admin.register(User)
class UserAdmin(ModelAdmin):
    """Staff name people and give them roles. Passwords are their owners' alone."""

    is_sensitive = True
    form = UserForm
    list_display = ("email", "name", "roles", "is_staff", "is_active", "created_at")
    list_filter = ("groups", "is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("-created_at",)
    filter_horizontal = ("groups",)
    readonly_fields = (
        *("is_active", "is_staff", "is_superuser"),
        *("created_at", "email_verified_at", "last_login"),
    )
    fieldsets = (
        (None, {"fields": ("email", "name")}),
        ("Reading", {"fields": ("locale", "timezone")}),
        ("Roles", {"fields": ("groups", "is_active", "is_staff", "is_superuser")}),
        ("Moments", {"fields": ("created_at", "email_verified_at", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "groups")}),)
    actions = (
        *("reset_password", "reset_mfa", "end_sessions"),
        *("deactivate", "reactivate"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: User | None = None
    ) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        # Whoever sets the address gets the mail that sets the password.
        return (*fields, "email") if obj else fields

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(role_names(user)) or "-"

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not services.outranks(obj, _actor(request)))

    def has_delete_permission(self, *_: Any) -> bool:
        # Orders and the audit log refer to people: accounts are closed, not deleted.
        return False

    def save_model(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        obj: User,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            changes.pop("groups", None)
            services.change_profile(
                user_id=obj.pk, changes=changes, device=None, now=timezone.now()
            )
        else:
            # Staff vouch for the address of whom they add.
            made = services.create_user(
                email=obj.email,
                password=None,
                name=obj.name,
                verified_at=timezone.now(),
            )
            obj.pk = made.pk

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,  # noqa: ARG002 -- Django's signature
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        services.change_roles(
            user_id=form.instance.pk,
            roles=[group.name for group in form.cleaned_data["groups"]],
            actor=_actor(request),
            now=timezone.now(),
        )

    @admin.action(description="Mail a link to a new password", permissions=["view"])
    def reset_password(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        def offer(user: User) -> None:
            services.offer_password_reset(
                user_id=user.pk, actor=_actor(request), now=timezone.now()
            )

        self.call_service(request, chosen, offer, done="Mailed")

    @admin.action(description="Remove lost second factors", permissions=["change"])
    def reset_mfa(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        def reset(user: User) -> None:
            services.reset_second_factors(
                user_id=user.pk, actor=_actor(request), now=timezone.now()
            )

        self.call_service(request, chosen, reset, done="Removed, and told by mail")

    @admin.action(description="Sign out everywhere", permissions=["change"])
    def end_sessions(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        def end(user: User) -> None:
            services.end_persons_sessions(
                user_id=user.pk, actor=_actor(request), now=timezone.now()
            )

        self.call_service(request, chosen, end, done="Signed out")

    @admin.action(description="Close accounts", permissions=["change"])
    def deactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        def close(user: User) -> None:
            services.deactivate_user(
                user_id=user.pk, actor=_actor(request), now=timezone.now()
            )

        self.call_service(request, chosen, close, done="Closed")

    @admin.action(description="Open accounts again", permissions=["change"])
    def reactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        def reopen(user: User) -> None:
            services.reactivate_user(
                user_id=user.pk, actor=_actor(request), now=timezone.now()
            )

        self.call_service(request, chosen, reopen, done="Open again")


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, ModelAdmin):
    """The roles that the code names stay; what each may do is the shop's to say."""

    is_sensitive = True
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
        return (*fields, "name") if obj else fields

    def has_delete_permission(
        self, request: HttpRequest, obj: Group | None = None
    ) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and not _is_built_in(obj)

    def save_model(
        self,
        request: HttpRequest,
        obj: Group,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        wanted = permission_names(form.cleaned_data["permissions"])
        actor = _actor(request)
        if change:
            services.change_role(name=obj.name, permissions=wanted, actor=actor)
        else:
            made = services.create_role(name=obj.name, permissions=wanted, actor=actor)
            obj.pk = made.pk

    def save_related(self, *_: Any) -> None:
        """Do nothing: the service has saved the permissions."""

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        services.delete_role(role=obj, actor=_actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[Group]) -> None:
        for role in queryset:
            if not _is_built_in(role):
                services.delete_role(role=role, actor=_actor(request))


def _actor(request: HttpRequest) -> User:
    return cast("User", request.user)


def _is_built_in(role: Group | None) -> bool:
    return role is not None and role.name in set(Role)
