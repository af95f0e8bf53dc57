from dataclasses import replace

import pytest

from accounts.selectors import Contact
from core.money import Money
from notifications.constants import ORDER_PLACED
from notifications.services._composing import compose_mail
from notifications.tests.subjects import ADDRESS, SampleLine, SampleOrder, SampleTotals


def compose(order=None, *, name="Anna", locale="en"):
    return compose_mail(
        kind=ORDER_PLACED,
        contact=Contact("anna@example.com", name, locale),
        subject=order or SampleOrder(),
        message_id="<1@example.com>",
    )


def html_of(mail):
    [(html, kind)] = mail.alternatives
    assert kind == "text/html"
    return html


def test_both_bodies_tell_the_same():
    order = SampleOrder(
        lines=(
            SampleLine(),
            SampleLine(title="Mug", variant_title="Default", quantity=1),
        )
    )

    mail = compose(order)

    for body in (mail.body, html_of(mail)):
        told = [
            *("Shopwright", "SW-100001", "Field Notebook", "Red / A5", "Mug"),
            *("€16.99", "€50.97", "€4.90", "€55.87", "November 21, 2026"),
            *("Anna Smith", "1 High Street", "BA1 1AA", "United Kingdom", "Standard"),
            order.status_url,
        ]
        assert [text for text in told if text not in body] == []
        assert "Default" not in body
        assert "Discount" not in body
        assert "Tax" not in body


def test_the_mail_is_in_the_readers_language():
    totals = SampleTotals(total=Money(2000, "JPY"), tax=Money(1234567, "KWD"))

    mail = compose(SampleOrder(totals=totals), locale="de")

    for body in (mail.body, html_of(mail)):
        told = [
            *("Vielen Dank", "Summe", "2.000\u00a0¥", "Steuer", "1.234,567\u00a0KWD"),
            *("21. November 2026", "Vereinigtes Königreich"),
        ]
        assert [text for text in told if text not in body] == []
    assert mail.subject == "Ihre Bestellung SW-100001 bei Shopwright"


@pytest.mark.parametrize("locale", ["", "xx", "no-such-language-at-all", "../../etc"])
def test_an_unknown_language_is_english(locale):
    assert "Total: €55.87" in compose(locale=locale).body


def test_the_html_escapes_and_the_text_does_not():
    evil = "<script>alert(1)</script> & Co"
    order = SampleOrder(
        lines=(SampleLine(title=evil),),
        shipping_address=ADDRESS | {"full_name": evil},
    )

    mail = compose(order, name=evil)

    assert "<script>" not in html_of(mail)
    assert html_of(mail).count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co") == 3
    assert mail.body.count(evil) == 3


def test_the_subject_stays_one_line(settings):
    settings.SHOP_NAME = "Shop\r\nBcc: everybody@example.com"

    message = compose(replace(SampleOrder(), number="SW-1")).message()

    assert message["Subject"] == "Your Shop Bcc: everybody@example.com order SW-1"
    assert message["Bcc"] is None
