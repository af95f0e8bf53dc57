"""From the checkout over HTTP to the mail, through every package."""

import pytest
from django.core import mail

from core.tests.delivery import deliver_all
from orders.models import Order
from orders.tests.conftest import simulator, simulator_process  # noqa: F401 -- fixtures
from orders.tests.factories import make_goods
from orders.tests.shopping import check_out, ready_cart

pytestmark = pytest.mark.django_db


def test_a_guest_is_told_at_the_carts_address(api, simulator):  # noqa: F811 -- the fixture
    check_out(api, ready_cart(api, (make_goods(), 2), email="guest@example.com"))

    deliver_all()

    [message] = mail.outbox
    order = Order.objects.get()
    assert message.to == ["guest@example.com"]
    assert message.subject == f"Your Shopwright order {order.number}"
    told = ["2 x ", "€39.98", "Total: €44.88", "1 Tom Quad", "10115 Berlin", "Germany"]
    assert [text for text in told if text not in message.body] == []


def test_a_declined_payment_confirms_nothing(api, simulator):  # noqa: F811 -- the fixture
    declined = {"provider": "simulated", "method": "sim_declined"}
    check_out(api, ready_cart(api, (make_goods(), 2)), payment=declined)

    deliver_all()

    assert mail.outbox == []
