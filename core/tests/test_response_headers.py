"""The quick way of setting a header does what Django's does."""

from django.http import HttpResponse

from core.response_headers import add_headers


def test_headers_are_those_that_django_would_have_set():
    ours, django = HttpResponse(), HttpResponse()
    django.headers["RateLimit"] = '"burst";r=59;t=1'
    django.headers["Server-Timing"] = "queue;dur=0.0, app;dur=1.2"

    add_headers(
        ours,
        {
            "RateLimit": '"burst";r=59;t=1',
            "Server-Timing": "queue;dur=0.0, app;dur=1.2",
        },
    )

    assert list(ours.items()) == list(django.items())
    assert ours.serialize_headers() == django.serialize_headers()


def test_a_header_is_found_and_replaced_whatever_its_case():
    response = HttpResponse(headers={"ratelimit": "old"})

    add_headers(response, {"RateLimit": "new"})

    assert response.headers["RATELIMIT"] == "new"
    assert [name for name, _ in response.items()].count("RateLimit") == 1
