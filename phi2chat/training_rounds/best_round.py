"""The best of several trainings, and which others it cannot be told apart from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curation.errors import UserError
from phi2chat.evaluation.scores import families_of, weigh
from phi2chat.training_rounds.past_rounds import Asked, Round


@dataclass(frozen=True)
class Best:
    """The round, what it reached, those that may be as good for all the probes can tell, and what to say of it."""

    round: Round
    value: float
    alike: tuple[Round, ...]
    remarks: tuple[str, ...]


def choose_best(rounds: Sequence[Round], by: str) -> Best:
    """The round with the best probe score, script pass rate or eval loss.

    Scores are of the newest evaluation of each round, over the probes that all of them were asked. Raises UserError
    where no round has what is gone by, or where they share no probe.
    """
    if by == "eval-loss":
        return _by_eval_loss(rounds)
    of: Callable[[Asked], dict[str, float]] = (
        (lambda asked: asked.scores) if by == "probe-score" else lambda asked: asked.script
    )
    evaluated = {one: of(one.asked[0]) for one in rounds if one.asked}
    if not evaluated:
        raise UserError("no round was evaluated yet; run `phi2chat evaluate --adapter DIR`, or go --by eval-loss")
    shared = [
        probe
        for probe in next(iter(evaluated.values()))
        if all(probe in scores for scores in evaluated.values()) and _is_one_probe(evaluated, probe)
    ]
    if not shared:
        raise UserError(
            f"the {len(evaluated)} rounds that were evaluated share no probe; evaluate them again on the same probes"
        )
    values = {one: {probe: scores[probe] for probe in shared} for one, scores in evaluated.items()}
    best = max(values, key=lambda one: (sum(values[one].values()), one.number))
    families = families_of(best.asked[0].evaluation)
    alike = tuple(
        one
        for one in values
        if one is not best
        and (move := weigh(values[one], values[best], families)) is not None
        and move.opinion == "cannot tell"
    )
    value = sum(values[best].values()) / len(shared)
    remarks = [f"round {best.number} ({best.name}): {100 * value:.1f} % of {len(shared)} probes, {by}"]
    if alike:
        names = ", ".join(str(one.number) for one in alike)
        remarks.append(f"{len(shared)} probes cannot tell it from {'rounds' if len(alike) > 1 else 'round'} {names}")
    if unlike := [one for one in values if one.asked[0].settings_unlike(best.asked[0])]:
        names = ", ".join(str(one.number) for one in unlike)
        remarks.append(f"evaluated with other settings than {best.number}, and hardly to be compared with it: {names}")
    if left := len(rounds) - len(evaluated):
        remarks.append(f"{left} {'rounds were' if left > 1 else 'round was'} not evaluated, and not looked at")
    return Best(best, value, alike, tuple(remarks))


def _by_eval_loss(rounds: Sequence[Round]) -> Best:
    losses = {one: one.eval_loss for one in rounds if one.eval_loss is not None and one.run.status == "finished"}
    if not losses:
        raise UserError("no round has finished yet; train one with `phi2chat train`")
    best = min(losses, key=lambda one: (losses[one], -one.number))
    remarks = [f"round {best.number} ({best.name}): eval loss {losses[best]:.4f}"]
    held_out = {one: _eval_side(one) for one in losses}
    if others := [one for one in losses if held_out[one] != held_out[best]]:
        names = ", ".join(str(one.number) for one in others)
        remarks.append(f"the eval losses of {names} are of other eval records or another base, and do not compare")
    return Best(best, losses[best] or 0.0, (), tuple(remarks))


def _eval_side(one: Round) -> object:
    """What an eval loss is of; where that is not known, it is like no other."""
    records = one.records
    return (
        one
        if records is None
        else (one.run.base, one.run.config.get("reasoning", True), tuple(str(record.data) for record in records.eval))
    )


def _is_one_probe(evaluated: dict[Round, dict[str, float]], probe: str) -> bool:
    return len({one.asked[0].cells[probe][0].probe_digest for one in evaluated}) == 1
