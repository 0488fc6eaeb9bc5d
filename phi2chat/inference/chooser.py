"""The next token for what a model says: the likeliest, or a seeded sample; where a guard refuses one, another."""

from collections import deque
from functools import lru_cache

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from phi2chat.config import ChatConfig
from phi2chat.inference.automaton import Automaton, State
from phi2chat.inference.guard import Guard

SMALLEST_TEMPERATURE = 1e-3  # below, probabilities overflow, and the likeliest token is all that is left
_LAST_CHOICES = 2  # that can be taken back: one that is refused, and the one that followed it already


class Chooser:
    """Greedy at temperature 0, otherwise a seeded sample; a choice stays on the device. `made` counts the choices."""

    def __init__(self, config: ChatConfig, device: torch.device):
        self._greedy = config.temperature < SMALLEST_TEMPERATURE
        self._random = torch.Generator(device=device)
        self._noises = deque[torch.Tensor](maxlen=_LAST_CHOICES)  # before each of the last choices
        self.made = 0
        if not self._greedy:
            self._random.manual_seed(config.seed)
            self._warpers = LogitsProcessorList([TemperatureLogitsWarper(config.temperature)])
            if config.top_p < 1:
                self._warpers.append(TopPLogitsWarper(config.top_p))

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """The tokens (...) for logits (..., vocab)."""
        self.made += 1
        if self._greedy:
            return logits.argmax(-1)
        self._noises.append(self._random.get_state())
        rows = logits.float().reshape(-1, logits.shape[-1])
        scores = self._warpers(None, rows)
        return torch.multinomial(scores.softmax(-1), 1, generator=self._random).reshape(logits.shape[:-1])

    def go_back_to(self, made: int) -> None:
        """Let it be as if only so many choices had been made; of the last ones only."""
        while self.made > made:
            self.made -= 1
            if not self._greedy:
                self._random.set_state(self._noises.pop())

    def guarded(self, logits: torch.Tensor, guard: Guard) -> int | None:
        """The choice among the tokens that may come; None where there is none.

        Made anew in the place of a choice that may not come, it is what was chosen if that had been masked: the
        likeliest of some, or the winner of `multinomial`, a race that is run again with the same random numbers. The
        mask comes before temperature and top-p.
        """
        before = self.made
        while not guard.is_stuck:
            self.go_back_to(before)
            token = int(self(logits.masked_fill(_blocked(guard, logits), -torch.inf)))
            if guard.passes(token):
                return token
            guard.ban(token)
        return None


def _blocked(guard: Guard, logits: torch.Tensor) -> torch.Tensor:
    """True for each token that may not come next."""
    blocked = _blocked_in_state(guard.automaton, guard.state, logits.device)
    if guard.banned:
        blocked = blocked.clone()
        blocked[sorted(guard.banned)] = True
    return blocked[: len(logits)]  # (vocab,)


@lru_cache(maxsize=1024)
def _blocked_in_state(automaton: Automaton, state: State, device: torch.device) -> torch.Tensor:
    return ~torch.frombuffer(automaton.mask(state), dtype=torch.bool).to(device)  # (vocab,)
