import pytest

from core.events import publish
from core.tests.lamps import LampLit


@pytest.mark.django_db
def test_metrics_shows_how_far_the_handlers_are_behind(api):
    publish(LampLit("a"))

    response = api.get("/metrics")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    numbers = dict(
        line.split()
        for line in response.content.decode().splitlines()
        if line.startswith("shopwright_outbox_")
    )
    age = numbers.pop("shopwright_outbox_oldest_undelivered_seconds")
    assert 0 <= float(age) < 60
    assert numbers == {
        "shopwright_outbox_undispatched_events": "1.0",
        "shopwright_outbox_pending_deliveries": "0.0",
        "shopwright_outbox_dead_deliveries": "0.0",
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer é"}, 401),
        ({"Authorization": "Bearer s3cret"}, 200),
    ],
)
def test_metrics_asks_for_the_token_where_one_is_set(api, settings, header, status):
    settings.METRICS_TOKEN = "s3cret"  # noqa: S105 -- of this test alone

    assert api.get("/metrics", headers=header).status_code == status


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer "}])
def test_metrics_is_closed_in_production_without_a_token(api, settings, header):
    settings.METRICS_TOKEN = ""
    settings.DEV_TOOLS = False

    assert api.get("/metrics", headers=header).status_code == 401
