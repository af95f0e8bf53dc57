from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User


@pytest.fixture
def api() -> APIClient:
    """Nobody: no sign-in, no database of its own."""
    return APIClient()


@pytest.fixture
def api_as() -> Callable[[User], APIClient]:
    """Sign in with a real token, so that tests pass through real authentication."""

    def sign_in(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
        return client

    return sign_in


@pytest.fixture
def customer(db: None) -> User:
    return User.objects.create_user("alice@example.com", "alice's password")


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("charlie@example.com", "charlie's password")


@pytest.fixture
def staff(db: None) -> Callable[..., User]:
    """Make a member of staff: ``staff("warehouse")``."""

    def make(role: str, **fields: Any) -> User:
        email = fields.pop("email", f"{role}@shop.example.com")
        user = User.objects.create_user(
            email, f"{role}'s password", is_staff=True, **fields
        )
        user.groups.add(Group.objects.get_or_create(name=role)[0])
        return user

    return make
