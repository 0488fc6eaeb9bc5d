"""Kinsoku shori (JIS X 4051): marks that begin no line, and marks that end none."""

from rich.cells import cell_len

# Closing brackets, commas, stops, dots, what repeats or lengthens, small kana, what follows a number; emoji's tones.
NOT_FIRST = frozenset(
    "、。，．・：；！？‼⁇⁈⁉」』）】〉》］｝〕〙〗｠»〟’”‐〜～゠…‥ー々〻ヽヾゝゞ％‰℃"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ｡､｣･ﾞﾟｰｧｨｩｪｫｬｭｮｯ🏻🏼🏽🏾🏿"
)
# Opening brackets, what stands before a number, and what joins emoji.
NOT_LAST = frozenset("（「『【〈《［｛〔〘〖｟«〝‘“￥＄￡｢\u200d")


def may_part(left: str, right: str) -> bool:
    """Whether a line may end with one character and the next line begin with another."""
    return right not in NOT_FIRST and left not in NOT_LAST and cell_len(right) > 0
