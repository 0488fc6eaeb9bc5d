"""Which scripts are at home in an expected language, and what languages are called."""

from dataclasses import dataclass
from functools import cache

NAMES = {
    "zh-Hans": "Simplified Chinese",
    "zh-Hant": "Traditional Chinese",
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
    "en": "English",
}

_LANGUAGES_BY_SCRIPT = {
    "Latin": "en fr de es it pt nl sv da nb nn no fi pl cs sk hu ro tr vi id ms et lt lv",
    "Cyrillic": "ru uk be bg mk",
    "Arabic": "ar fa ur",
    "Devanagari": "hi mr ne sa",
    "Thai": "th",
    "Hebrew": "he",
    "Greek": "el",
    "Han": "zh ja",
    "Kana": "ja",
    "Hangul": "ko",
}
_CHINESE_VARIETIES = {"hans": "zh-Hans", "cn": "zh-Hans", "sg": "zh-Hans"} | dict.fromkeys(
    ("hant", "tw", "hk", "mo"), "zh-Hant"
)


@dataclass(frozen=True)
class Expectation:
    """What a text in the expected language may hold. `language` is the primary subtag, "" if it is unknown."""

    language: str
    scripts: frozenset[str]
    chinese_variety: str | None = None

    @classmethod
    @cache
    def of(cls, tag: str) -> "Expectation":
        """Read a BCP 47 tag; one we know nothing about gives an expectation under which nothing is foreign."""
        primary, *subtags = tag.replace("_", "-").lower().split("-")
        scripts = frozenset(script for script, tags in _LANGUAGES_BY_SCRIPT.items() if primary in tags.split())
        if not scripts:
            return cls("", scripts)
        variety = next((_CHINESE_VARIETIES[tag] for tag in subtags if tag in _CHINESE_VARIETIES), None)
        return cls(primary, scripts, variety if primary == "zh" else None)

    @property
    def minds_english(self) -> bool:
        """Latin words are everywhere; a whole English clause is foreign only to these."""
        return self.language in ("ja", "zh", "ko")


def knows_language(tag: str) -> bool:
    """Whether anything can be foreign where this language is expected."""
    return bool(Expectation.of(tag).language)


@cache
def primary_subtag(tag: str) -> str:
    """The language of a BCP 47 tag without its script or region: zh of zh-Hant."""
    return tag.replace("_", "-").partition("-")[0].lower()


def display_name(language: str) -> str:
    """The English name of a language tag; a script's name is its own."""
    return NAMES.get(language, language)
