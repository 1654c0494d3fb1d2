"""Templates of mails: a page that reads well in common clients, and the same as plain text.

Clients differ more than browsers ever did: pages are tables with their styles on each element, no script, no
font or picture that is fetched, and bars are cells with a width.
"""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

BLANK_LINES = re.compile(r"\n{3,}")


@cache
def _environment() -> Environment:
    """Made when the first mail is written: it looks for the folder of templates."""
    return Environment(
        loader=PackageLoader("core.mails"),
        autoescape=select_autoescape(enabled_extensions=("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_page(name: str, **values: object) -> str:
    """A page of HTML; whatever is put into it is escaped."""
    return _environment().get_template(f"{name}.html").render(values)


def render_text(name: str, **values: object) -> str:
    """A plain text, with no more than one blank line between two others."""
    text = _environment().get_template(f"{name}.txt").render(values)
    return BLANK_LINES.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip() + "\n"
