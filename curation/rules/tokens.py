"""What only a tokenizer can tell; phi2chat, which can load one, looks."""

from .declare import Rule, declare

declare(
    Rule(
        "too-long",
        "tokens",
        "A record, with the prompt's markers and its end, has no more tokens than `--max-length`.",
        "Shorten it, or raise the limit. Training refuses such a record rather than cut off the end of its answer.",
    )
)
