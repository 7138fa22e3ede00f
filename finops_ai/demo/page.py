"""A pull request's page as a forge shows it: its Markdown in one file of HTML that loads nothing."""

from __future__ import annotations

import html

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; font-weight: 500; }} h3 {{ margin: 1.4rem 0 .4rem; }}
.state {{ display: inline-block; border-radius: 1rem; padding: .1rem .7rem; color: #fff; background: {colour}; }}
.branch {{ font-family: ui-monospace, monospace; font-size: .85rem; color: #59636e; }}
article {{ border: 1px solid #d1d9e0; border-radius: 6px; padding: .4rem 1.2rem 1rem; margin: 1rem 0; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #d1d9e0; padding: .3rem .6rem; text-align: left; white-space: nowrap; }}
th {{ background: #f6f8fa; }} td + td {{ font-variant-numeric: tabular-nums; }}
pre {{ background: #f6f8fa; padding: .8rem; overflow-x: auto; line-height: 1.2; }}
code {{ font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .85rem; }}
summary {{ cursor: pointer; color: #0969da; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p><span class="state">{state}</span> <span class="branch">{key}</span></p>
{articles}
</body>
</html>
"""
COLOURS = {"open": "#1a7f37", "merged": "#8250df", "blocked": "#59636e", "closed": "#d1242f"}


def page(title: str, key: str, state: str, *texts: str) -> str:
    """The body and the comments under it; their text of others is escaped already, HTML in them is ours."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    articles = "\n".join(f"<article>\n{reader.render(text)}</article>" for text in texts)
    return _PAGE.format(
        title=html.escape(title),
        key=html.escape(key),
        state=html.escape(state),
        colour=COLOURS.get(state, "#59636e"),
        articles=articles.replace("<details>", "<details open>"),
    )
