"""Budgets mean the same on every version of transformers, and a prompt that leaves no room is refused with a way out."""

import dataclasses

import pytest

from curation.errors import UserError
from phi2chat.inference.recipes import RECIPES, Recipe, new_token_budget

CONTEXT = 2048


@pytest.mark.parametrize(
    ("recipe", "prompt_tokens", "budget"),
    [
        ("a", 1, 299),
        ("a", 50, 250),
        ("a", 299, 1),
        ("b", 1, 199),
        ("b", 50, 150),
        ("b", 199, 1),
        ("chat", 50, 512),
        ("chat", 1536, 512),
        ("chat", 1537, 511),
        ("chat", 2047, 1),
    ],
)
def test_prompt_and_reply_share_the_total(recipe: str, prompt_tokens: int, budget: int) -> None:
    assert new_token_budget(RECIPES[recipe], prompt_tokens, 512, CONTEXT) == budget


@pytest.mark.parametrize("recipe", ["a", "b", "chat"])
def test_no_reply_goes_beyond_the_context_of_the_model(recipe: str) -> None:
    assert new_token_budget(RECIPES[recipe], 100, 512, context_tokens=128) == 28


def test_only_the_recipe_chat_asks_for_as_many_tokens_as_it_is_told() -> None:
    budgets = {name: new_token_budget(recipe, 10, 7, CONTEXT) for name, recipe in RECIPES.items()}
    assert budgets == {"a": 290, "b": 190, "chat": 7}


@pytest.mark.parametrize(
    ("recipe", "prompt_tokens", "context", "sentence"),
    [
        (
            "a",
            300,
            CONTEXT,
            "the prompt takes 300 tokens of the 300 that there are; use --recipe chat (or /recipe chat)",
        ),
        (
            "b",
            250,
            CONTEXT,
            "the prompt takes 250 tokens of the 200 that there are; use --recipe chat (or /recipe chat)",
        ),
        ("b", 100, 64, "the prompt takes 100 tokens of the 64 that there are; ask a shorter question"),
        (
            "chat",
            2048,
            CONTEXT,
            "the prompt takes 2048 tokens of the 2048 that there are;"
            " ask a shorter question or forget the conversation with /reset",
        ),
    ],
)
def test_a_prompt_that_leaves_no_room_is_refused(recipe: str, prompt_tokens: int, context: int, sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        new_token_budget(RECIPES[recipe], prompt_tokens, 512, context)
    assert str(raised.value) == sentence


def test_only_the_recipe_chat_remembers() -> None:
    assert [name for name, recipe in RECIPES.items() if recipe.history] == ["chat"]


def test_no_recipe_speaks_of_a_mask_that_a_single_prompt_has_not() -> None:
    assert {field.name for field in dataclasses.fields(Recipe)} == {"name", "summary", "total_tokens", "history"}
    assert [recipe.name for recipe in RECIPES.values() if "mask" in recipe.summary] == []
