import pytest

from core.protection import deadlines
from core.protection.deadlines import (
    DeadlineExceededError,
    InvalidHeaderError,
    current_deadline,
    deadline,
    read_timeout,
    remaining,
    require_time,
    statement_seconds,
    tidying_up,
    within,
)


def test_without_a_deadline_nothing_is_bounded():
    require_time()

    assert (remaining(), current_deadline(), statement_seconds()) == (None, None, None)
    assert within(7) == 7


def test_a_deadline_holds_inside_its_block_only():
    with deadline(5):
        assert 4 < remaining() <= 5
        assert within(1) == 1
        assert 4 < within(30) <= 5

    assert remaining() is None


@pytest.mark.parametrize(
    ("outer", "inner", "least", "most"), [(5, 60, 4, 5), (60, 5, 4, 5)]
)
def test_the_nearer_deadline_wins(outer, inner, least, most):
    with deadline(outer), deadline(inner):
        assert least < remaining() <= most


def test_an_inner_deadline_gives_way_to_the_outer_again():
    with deadline(60):
        with deadline(5):
            pass

        assert 59 < remaining() <= 60


def test_past_the_deadline_nothing_begins():
    with deadline(0):
        assert remaining() == 0
        with pytest.raises(DeadlineExceededError):
            require_time()
        with pytest.raises(DeadlineExceededError):
            within(1)


def test_tidying_up_has_a_moment_of_its_own():
    with deadline(0):
        with tidying_up():
            assert 0 < remaining() <= deadlines.TIDYING_SECONDS

        assert remaining() == 0


def test_tidying_up_takes_no_time_away():
    with deadline(60), tidying_up():
        assert 59 < remaining() <= 60


def test_tidying_up_needs_no_deadline():
    with tidying_up():
        assert remaining() is None


@pytest.mark.parametrize(("seconds", "expected"), [(60, 5), (2, 2)])
def test_a_statement_ends_with_its_rung_or_with_the_request(seconds, expected):
    with deadline(seconds):
        assert statement_seconds() == pytest.approx(expected, abs=0.5)


def test_a_route_may_give_its_statements_more():
    with deadline(60, statement_seconds=30):
        assert statement_seconds() == 30


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("5", 5), ("2.5", 2.5), ("0.050", 0.05), ("3600", 3600)],
)
def test_the_header_is_a_number_of_seconds(text, seconds):
    assert read_timeout(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "0", "0.049", "3600.001", "-1", "+1", "1e3", "nan", "inf", "5s"),
        *("5,5", "0x5", "5 ", ".5", "5.", "1.2345", "99999", "\u0665", "5\n"),
    ],
)
def test_any_other_header_is_refused_by_name(text):
    with pytest.raises(InvalidHeaderError) as error:
        read_timeout(text)

    assert error.value.extensions == {"header": "Request-Timeout"}
    assert error.value.detail == (
        "Request-Timeout must be a number of seconds from 0.05 to 3600, such as 2.5."
    )
