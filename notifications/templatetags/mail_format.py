from datetime import datetime

from babel.dates import format_date, format_datetime
from django import template

from core import money as core_money
from core.money import Money, known_locale

register = template.Library()


@register.filter
def money(amount: Money, locale: str) -> str:
    return core_money.format_money(amount, locale)


@register.filter
def country(code: str, locale: str) -> str:
    return str(known_locale(locale).territories.get(code, code))


@register.filter
def day(moment: datetime, locale: str) -> str:
    return format_date(moment, format="long", locale=known_locale(locale))


@register.filter
def moment(instant: datetime, locale: str) -> str:
    """Write an instant in UTC, said so, as the reader's own zone may be anywhere."""
    return format_datetime(instant, format="long", locale=known_locale(locale))
