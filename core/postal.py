"""What a postal address needs, country by country, and how its code is written."""

import re

import phonenumbers

# "#" a digit, "@" a letter, "*" either; everything else stands for itself.
# Where several forms are used they are separated by "|". Countries that aren't here have
# codes that nobody checks, or none at all (see below).
_FORMS = {
    "AD": "AD###",
    "AL": "####",
    "AM": "####",
    "AR": "####|@####@@@",
    "AT": "####",
    "AU": "####",
    "AX": "22###",
    "AZ": "AZ ####|AZ####",
    "BA": "#####",
    "BD": "####",
    "BE": "####",
    "BG": "####",
    "BR": "#####-###|########",
    "BY": "######",
    "CA": "@#@ #@#|@#@#@#",
    "CH": "####",
    "CL": "###-####|#######",
    "CN": "######",
    "CO": "######",
    "CR": "#####",
    "CY": "####",
    "CZ": "### ##|#####",
    "DE": "#####",
    "DK": "####",
    "DO": "#####",
    "DZ": "#####",
    "EC": "######",
    "EE": "#####",
    "EG": "#####|#######",
    "ES": "#####",
    "FI": "#####",
    "FO": "###",
    "FR": "#####",
    "GB": "@# #@@|@## #@@|@@# #@@|@@## #@@|@#@ #@@|@@#@ #@@|@##@@|@###@@|@@##@@|@@###@@|@#@#@@|@@#@#@@|GIR 0AA",
    "GE": "####",
    "GI": "GX11 1AA",
    "GL": "####",
    "GP": "#####",
    "GR": "### ##|#####",
    "GT": "#####",
    "HR": "#####",
    "HU": "####",
    "ID": "#####",
    "IE": "@## ****|D6W ****|@##****|D6W****",
    "IL": "#######|#####",
    "IN": "######|### ###",
    "IS": "###",
    "IT": "#####",
    "JP": "###-####|#######",
    "KE": "#####",
    "KG": "######",
    "KR": "#####",
    "KZ": "######|@##@#@#",
    "LI": "####",
    "LK": "#####",
    "LT": "#####|LT-#####",
    "LU": "####",
    "LV": "LV-####|####",
    "MA": "#####",
    "MC": "980 ##|980##",
    "MD": "####|MD-####|MD####",
    "ME": "#####",
    "MK": "####",
    "MQ": "#####",
    "MT": "@@@ ####|@@@####",
    "MX": "#####",
    "MY": "#####",
    "NL": "#### @@|####@@",
    "NO": "####",
    "NP": "#####",
    "NZ": "####",
    "PE": "#####",
    "PH": "####",
    "PK": "#####",
    "PL": "##-###|#####",
    "PR": "#####|#####-####",
    "PT": "####-###|#######",
    "PY": "####",
    "RE": "#####",
    "RO": "######",
    "RS": "#####|######",
    "RU": "######",
    "SA": "#####|#####-####",
    "SE": "### ##|#####",
    "SG": "######",
    "SI": "####",
    "SK": "### ##|#####",
    "SM": "4789#",
    "TH": "#####",
    "TN": "####",
    "TR": "#####",
    "TW": "###|#####|######",
    "UA": "#####",
    "US": "#####|#####-####",
    "UY": "#####",
    "UZ": "######",
    "VA": "00120",
    "VE": "####",
    "VN": "#####|######",
    "ZA": "####",
}
# Countries where a parcel finds its way without a code.
WITHOUT_CODE = frozenset(
    [
        "AE",
        "AG",
        "AO",
        "AW",
        "BF",
        "BI",
        "BJ",
        "BO",
        "BQ",
        "BS",
        "BW",
        "BZ",
        "CD",
        "CF",
        "CG",
        "CI",
        "CK",
        "CM",
        "CW",
        "DJ",
        "DM",
        "ER",
        "FJ",
        "GA",
        "GD",
        "GH",
        "GM",
        "GN",
        "GQ",
        "GY",
        "HK",
        "JM",
        "KI",
        "KM",
        "KN",
        "KP",
        "LC",
        "LY",
        "ML",
        "MO",
        "MR",
        "MW",
        "NR",
        "NU",
        "PA",
        "QA",
        "RW",
        "SB",
        "SC",
        "SL",
        "SR",
        "ST",
        "SX",
        "SY",
        "TD",
        "TF",
        "TG",
        "TK",
        "TL",
        "TO",
        "TT",
        "TV",
        "UG",
        "VU",
        "YE",
        "ZW",
        "IE",
        "PE",
        "CO",
        "CL",
        "BH",
        "KE",
        "NG",
        "TZ",
        "VE",
    ]
)
NEEDS_REGION = frozenset({"AU", "BR", "CA", "CN", "IN", "JP", "MX", "MY", "US"})
_SIGNS = {"#": "[0-9]", "@": "[A-Z]", "*": "[0-9A-Z]"}
_ANY_CODE = re.compile(r"[0-9A-Z][0-9A-Z -]{1,10}", re.ASCII)


def _pattern(forms: str) -> re.Pattern[str]:
    choices = (
        "".join(_SIGNS.get(sign, re.escape(sign)) for sign in form)
        for form in forms.split("|")
    )
    return re.compile("|".join(choices), re.ASCII)


_PATTERNS = {country: _pattern(forms) for country, forms in _FORMS.items()}


def plain_postal_code(text: str) -> str:
    """Write a code as post offices do: in capitals, single spaces."""
    return " ".join(text.upper().split())


def is_postal_code(code: str, *, country: str) -> bool:
    """Tell whether ``code`` (plain) can be one of the country's."""
    return _PATTERNS.get(country, _ANY_CODE).fullmatch(code) is not None


def example_code(country: str) -> str:
    """Show what a code looks like; empty where no form is known."""
    form = _FORMS.get(country, "").partition("|")[0]
    return form.replace("#", "1").replace("@", "A").replace("*", "A")


def plain_phone(text: str, *, country: str) -> str:
    """Return a number as E.164 has it; without a country code it is of ``country``.

    :raises ValueError: for a number that nobody can have.
    """
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        raise ValueError(str(error)) from error
    if not phonenumbers.is_valid_number(number):
        raise ValueError("No such number is in use.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
