import pytest

from notifications import services
from notifications.services import _subjects
from notifications.tests.subjects import SampleOrder


@pytest.fixture
def order(monkeypatch):
    """Stand in for the orders package, which has tests of the whole way."""
    sample = SampleOrder()
    monkeypatch.setattr(_subjects, "_loaders", {})
    services.register_subject("order", lambda order_id: sample)
    return sample
