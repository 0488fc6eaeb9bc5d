"""Countries: their capitals from text/capitals.tsv, all other names from the CLDR through Babel."""

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from ..kinds import Row

_CAPITALS = Path(__file__).parents[1] / "text" / "capitals.tsv"
_AS_OF = date(2025, 1, 1)
_LOCALES = {"ja": "ja", "en": "en", "zh": "zh_Hans"}

# Countries with one currency, whose people pay with it every day.
_CURRENCIES = """JP US CN KR GB IN RU TH VN ID PH MY SG AU NZ CA MX BR AR CL CO PE FR DE IT ES NL PT GR IE CH SE NO DK PL
CZ HU RO TR EG KE ZA NG MA SA AE KZ MN NP BD PK LK LA""".split()
# Countries where most people speak one official language.
_LANGUAGES = """JP FR DE IT ES PT PL RU SE NO DK NL GR HU CZ RO BG TR TH VN KR CN BR MX AR CL CO PE CU EG SA IQ JO GB US AU
AT UA LT LV EE SI HR IS BD KH MN ID""".split()
# "The" belongs to these names in an English sentence.
_WITH_THE = {"US", "GB", "NL", "PH", "AE", "DO", "MV"}


# Where the name of the CLDR does not stand well in a sentence.
_REGIONS = {
    "017": ("中部アフリカ", "Central Africa", "非洲中部"),
    "021": ("北アメリカ", "North America", "北美洲"),
    "029": ("カリブ海地域", "the Caribbean", "加勒比地区"),
}


@cache
def _locale(language: str) -> Any:
    from babel import Locale

    return Locale.parse(_LOCALES[language])


def _country(code: str) -> dict[str, str]:
    """The names of a country, without what the CLDR adds in brackets, as in Myanmar (Burma)."""
    names = {language: _locale(language).territories[code] for language in _LOCALES}
    names = {language: name.partition(" (")[0].partition("（")[0] for language, name in names.items()}
    if code in _WITH_THE:
        names["en"] = "the " + names["en"]
    return {
        "key": code.lower(), "country": names["ja"], "country_en": names["en"], "country_zh": names["zh"],
        "Country_en": names["en"][0].upper() + names["en"][1:],
    }  # fmt: skip


def _region(code: str) -> dict[str, str]:
    names = _REGIONS.get(code) or tuple(_locale(language).territories[code] for language in _LOCALES)
    return dict(zip(("region", "region_en", "region_zh"), names, strict=True))


def _capitals(_: Random) -> Iterator[Row]:
    for line in _CAPITALS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        code, region, ja, en, zh, *others = line.split("|")
        other = dict(zip(_LOCALES, others, strict=True)) if others else {}
        yield {
            **_country(code), "capital": ja, "capital_en": en, "capital_zh": zh,
            **_region(region),
            "not": f"{other['ja']}もよく知られていますが、首都ではありません。" if other else "",
            "not_en": f"{other['en']} is well known, but it is not the capital. " if other else "",
            "not_zh": f"{other['zh']}虽然也很有名，但不是首都。" if other else "",
        }  # fmt: skip


def _currencies(_: Random) -> Iterator[Row]:
    from babel.numbers import get_currency_name, get_territory_currencies

    for code in _CURRENCIES:
        (currency,) = get_territory_currencies(code, _AS_OF, _AS_OF)
        # With a count, English names are as in a sentence: Thai baht, not Thai Baht. In Japanese the blank goes.
        names = {language: get_currency_name(currency, 1, _locale(language)) for language in _LOCALES}
        names["ja"] = names["ja"].replace(" ", "")
        yield {
            **_country(code), "currency": names["ja"], "currency_en": names["en"], "currency_zh": names["zh"],
            "code": currency,
        }  # fmt: skip


def _languages(_: Random) -> Iterator[Row]:
    from babel.languages import get_territory_language_info

    for code in _LANGUAGES:
        spoken = get_territory_language_info(code)
        official = [tag for tag, about in spoken.items() if about["official_status"] and "_" not in tag]
        tag = max(official, key=lambda tag: spoken[tag]["population_percent"])
        tag = "no" if tag == "nb" else tag
        names = {language: _locale(language).languages[tag] for language in _LOCALES}
        yield {**_country(code), "tongue": names["ja"], "tongue_en": names["en"], "tongue_zh": names["zh"]}


TABLES = {"capital": _capitals, "currency": _currencies, "country-language": _languages}
