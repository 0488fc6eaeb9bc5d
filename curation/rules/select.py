"""Which rules are looked at: by id, by section, or by the beginning of an id."""

import difflib
from collections.abc import Iterable

from curation.errors import UserError

from .declare import RULES, SECTIONS


def choose(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> frozenset[str]:
    """The ids of the rules to look at: those of `select`, or all where it is empty, without those of `ignore`.

    Each name is the id of a rule, a section, or what several ids begin with. Raises UserError for a name that is none.
    """
    chosen = {rule for name in select for rule in _named(name)} or set(RULES)
    return frozenset(chosen - {rule for name in ignore for rule in _named(name)})


def _named(name: str) -> set[str]:
    if name in RULES:
        return {name}
    found = {rule.id for rule in RULES.values() if rule.section == name}
    found = found or {rule for rule in RULES if name and rule.startswith(name)}
    if not found:
        near = difflib.get_close_matches(name.casefold(), [*RULES, *SECTIONS], n=1, cutoff=0)
        raise UserError(f'"{name}" is no rule; did you mean "{near[0]}"? docs/rules.md has all of them')
    return found
