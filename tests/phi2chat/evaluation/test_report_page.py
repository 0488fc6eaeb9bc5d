"""report.html: one file that loads nothing, in which no text becomes markup; looked at in a browser where one is."""

import base64
import dataclasses
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.script import check
from phi2chat.evaluation.report_page import render_report, write_report
from phi2chat.evaluation.results import Cell, Evaluation, ModelRow, ProbeFile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ANSWER = "首都は東京です。这是正确的答案。"
CELL = Cell(
    probe="tokyo", probe_digest="0" * 16, category="capital", model="base", base="tiny", adapter=None,
    adapter_sha256=None, run=None, recipe="chat", sample=0, seed=0, prompt_digest="1" * 16, language="ja",
    reasoning_language="ja", reasoning="国会があります。", answer=ANSWER, verdict="right", why='says "東京"',
    language_ok=False, reasoning_spans=(), answer_spans=check(ANSWER).spans, stop="end_of_text", form=True, tokens=30,
    seconds=1.5,
)  # fmt: skip
OTHER = dataclasses.replace(CELL, model="new", answer="大阪です。", verdict="wrong", answer_spans=(), language_ok=True)
PROBES: dict[str, dict[str, Any]] = {
    "tokyo": {"id": "tokyo", "instruction": "日本の首都は？", "expect": {"contains": "東京"}},
    "beijing": {"id": "beijing", "instruction": "中国的首都是哪里？", "language": "zh-Hans", "judge": "none"},
}
BEIJING = dataclasses.replace(
    CELL, probe="beijing", category="other", language="zh-Hans", answer="北京。", verdict="unjudged", answer_spans=(),
    language_ok=True, why="nothing is expected of it",
)  # fmt: skip
EVALUATION = Evaluation(
    (ProbeFile("p.jsonl", "0" * 64, 2),), PROBES, (ModelRow("base", "base", "tiny"), ModelRow("new", "base", "other")),
    ("chat",), {"samples": 1, "temperature": 0.0}, {"torch": "2"}, "cpu, float32", "2026-01-31T12:00:00+00:00",
    cells=(CELL, OTHER, BEIJING),
)  # fmt: skip


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text without scripts and styles."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.code, self._inside = "", {"script": "", "style": ""}, ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in self.code else self._inside

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code[self._inside] += data
        else:
            self.text += data


def test_every_reply_is_there_with_its_verdict_and_its_language() -> None:
    page = Page(render_report(EVALUATION))
    for text in (
        "日本の首都は？",
        "大阪です。",
        "北京。",
        "国会があります。",
        "says 東京",
        "end of text · 30 tokens · 1.5 s",
    ):
        assert text in page.text
    replies = [found for tag, found in page.elements if tag == "section"]
    assert [(one["data-model"], one["data-verdict"], one["data-script"]) for one in replies] == [
        ("base", "right", "wrong"),
        ("new", "wrong", "right"),
        ("base", "unjudged", "right"),
    ]
    answers = [found["lang"] for _, found in page.elements if found.get("class") == "answer text"]
    assert answers == ["ja", "ja", "zh-Hans"]
    questions = [found["lang"] for _, found in page.elements if found.get("class") == "question text"]
    assert questions == ["ja", "zh-Hans"]


def test_what_is_in_a_wrong_script_is_marked_in_its_own_language() -> None:
    content = render_report(EVALUATION)
    (mark,) = [found for tag, found in Page(content).elements if tag == "mark"]
    assert mark["lang"] == "zh-Hans" and str(mark["title"]).startswith("Simplified Chinese: ")
    assert re.search(r"<mark[^>]*>这是正确的答案</mark>", content)


def test_the_page_begins_with_what_can_be_told_and_says_each_verdict_in_words() -> None:
    page = Page(render_report(EVALUATION))
    places = [page.text.index(text) for text in ("Did it get better?", "What can be told", "Scores", "Every reply")]
    assert places == sorted(places)
    badges = [found["class"] for _, found in page.elements if str(found.get("class", "")).startswith("badge")]
    assert {"badge right", "badge wrong", "badge unjudged", "badge cannot-tell", "badge script"} == set(badges)
    assert "wrong script: Simplified Chinese" in page.text


def test_every_cell_of_a_table_says_what_its_column_is() -> None:
    page = Page(render_report(EVALUATION))
    labels = [found["data-label"] for tag, found in page.elements if tag == "td"]
    assert labels[:6] == ["", "who", "against", "in", "points", "probes"] and "right" in labels


def test_the_page_loads_nothing_and_lets_no_other_code_run() -> None:
    content = render_report(EVALUATION)
    page = Page(content)
    assert not re.search(r"https?://|//[a-z]|url\(|@import", content)
    assert [name for tag, found in page.elements for name in found if name in ("src", "href", "srcset", "style")] == []
    (policy,) = [str(found["content"]) for _, found in page.elements if "http-equiv" in found]
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


HOSTILE = st.text(
    st.sampled_from("<>&\"'/= abscript!-\u202e\u200b\x00\x1b\r\n\ud800") | st.characters(), max_size=40
) | st.sampled_from(
    ["<script>alert(1)</script>", "</script>", "<!--", "]]>", '"><img src=x onerror=alert(1)>', "</style>"]
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(HOSTILE, min_size=7, max_size=7))
def test_no_text_becomes_markup(texts: list[str]) -> None:
    question, answer, reasoning, why, category, model, note = texts
    cell = dataclasses.replace(
        CELL, answer=answer, reasoning=reasoning, why=why, category=category, model=model, notes=(note,), stop=note,
        answer_spans=(), verdict="wrong",
    )  # fmt: skip
    probes = {"tokyo": {"instruction": question, "expect": answer, "input": note}}
    row = ModelRow(model, "base", note)
    page = Page(render_report(dataclasses.replace(EVALUATION, probes=probes, models=(row,), cells=(cell,))))
    plain = Page(
        render_report(
            dataclasses.replace(
                EVALUATION, probes={"tokyo": {"instruction": "x", "expect": "x", "input": "x"}}, cells=(CELL,)
            )
        )
    )
    allowed = {tag for tag, _ in plain.elements} | {"mark", "details", "summary"}
    assert {tag for tag, _ in page.elements} <= allowed
    assert page.code == plain.code
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert not set(page.text) & set("\x00\x1b\u202e\u200b\ud800")


def test_an_evaluation_without_replies_has_a_page(tmp_path: Path) -> None:
    path = write_report(dataclasses.replace(EVALUATION, cells=()), tmp_path)
    assert "0 of 4 replies: it was cut short" in path.read_text(encoding="utf-8")


# In a browser


def browse(page: Path, *options: str, width: int = 1200) -> str:
    """The page as a browser has it after its scripts have run."""
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    profile = page.parent / "profile"
    done = subprocess.run(
        [*command, f"--user-data-dir={profile}", "--virtual-time-budget=2000", *options, page.as_uri()],
        capture_output=True,
        timeout=110,
        check=True,
    )
    return done.stdout.decode("utf-8")


IN_A_BROWSER = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")


@pytest.mark.slow
@IN_A_BROWSER
def test_in_a_browser_the_filters_count_and_nothing_is_wider_than_a_phone(tmp_path: Path) -> None:
    content = render_report(EVALUATION)
    seen = Page(browse(write_report(EVALUATION, tmp_path), "--dump-dom"))
    assert "2 of 2 probes" in seen.text
    probe = """
      const choose = (name, value) => {
        const field = document.querySelector(`select[name=${name}]`);
        field.value = value;
        field.dispatchEvent(new Event('input', {bubbles: true}));
        return [...document.querySelectorAll('.probe')].map((one) => one.hidden);
      };
      const broken = choose('see', 'broken'), fixed = choose('see', 'fixed');
      choose('see', '');
      const hidden = choose('verdict', 'unjudged');
      const cut = [...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth).length;
      const fonts = [...document.querySelectorAll('.answer')].map((one) => getComputedStyle(one).fontFamily);
      const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
      document.title = JSON.stringify({hidden, broken, fixed, cut, fonts, wide, shown: document.querySelector('output').textContent});
    """
    # The page's own policy lets nothing else run, and so it is taken away for this look.
    opened = re.sub(r"<meta http-equiv[^>]*>", "", content).replace("</body>", f"<script>{probe}</script></body>")
    (tmp_path / "looked-at.html").write_text(opened, encoding="utf-8")
    dumped = browse(tmp_path / "looked-at.html", "--dump-dom", width=390)
    title = re.search(r"<title>(.*?)</title>", dumped)
    assert title is not None
    assert '"hidden":[true,false]' in title[1] and '"shown":"1 of 2 probes"' in title[1]
    assert '"wide":false' in title[1] and '"cut":0' in title[1]
    assert '"broken":[false,true]' in title[1] and '"fixed":[true,true]' in title[1]
    assert "Noto Sans CJK JP" in title[1] and "Noto Sans CJK SC" in title[1]


@pytest.mark.slow
@IN_A_BROWSER
@pytest.mark.parametrize("look", [[], ["--blink-settings=preferredColorScheme=0"]], ids=["light", "dark"])
def test_in_a_browser_a_picture_of_the_page_comes_out(tmp_path: Path, look: list[str]) -> None:
    page = write_report(EVALUATION, tmp_path)
    browse(page, *look, f"--screenshot={tmp_path / 'page.png'}")
    picture = (tmp_path / "page.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000
