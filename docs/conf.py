"""How the pages become a site (`make docs`). Offline: nothing is fetched from anywhere, when built or when read."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Operator, Punctuation, Text
from sphinx.application import Sphinx

from obelisk import __version__

project = "Obelisk"
author = "the authors of Obelisk"
release = __version__
extensions = ["myst_parser"]
exclude_patterns: list[str] = []
source_suffix = {".md": "markdown"}
nitpicky = True
highlight_language = "text"
myst_heading_anchors = 3
myst_links_external_new_tab = False
html_theme = "furo"
html_show_copyright = False
html_title = f"Obelisk {release}"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_theme_options = {
    "light_css_variables": {"font-stack": "system-ui, sans-serif", "font-stack--monospace": "ui-monospace, monospace"},
}


_KEYWORDS = (
    "package interface world import export use as type record variant enum flags resource include func async static "
    "constructor borrow own with from"
)
_TYPES = "bool u8 u16 u32 u64 s8 s16 s32 s64 f32 f64 char string list option result tuple map stream future"
_END = r"(?![a-z0-9-])"


class Wit(RegexLexer):
    """WIT, as far as its colours need it."""

    name = "WIT"
    tokens: ClassVar = {
        "root": [
            (r"\s+", Text),
            (r"//.*?$", Comment.Single),
            (r"/\*.*?\*/", Comment.Multiline),
            (r"%?[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?=\s*:\s*(?:async\s+)?func)", Name.Function),
            (words(tuple(_KEYWORDS.split()), suffix=_END), Keyword),
            (words(tuple(_TYPES.split()), suffix=_END), Keyword.Type),
            (r"%?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*", Name),
            (r"@?[0-9][0-9A-Za-z.+-]*", Name.Attribute),
            (r"->|[=*]", Operator),
            (r"[{}()<>:;,./@_]", Punctuation),
        ]
    }


def setup(app: Sphinx) -> None:
    """See Sphinx."""
    app.add_lexer("wit", Wit)
