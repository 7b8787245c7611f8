"""Templates of pages, and the page around them."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from stablebert.report.extra import require_packages
from stablebert.report.page.scripts import policy, script_json, vega_script
from stablebert.report.tables import format_p
from stablebert.text import escape_controls

if TYPE_CHECKING:
    from jinja2 import Environment


def check_packages() -> None:
    """Check that the packages that pages need are installed.

    Raises:
        ReportError: If one is missing.
    """
    require_packages("altair", "jinja2", "vl_convert", purpose="Pages")


def render_page(
    template: str, *, title: str, context: Mapping[str, object], data: Mapping[str, object]
) -> str:
    """Return a page that needs no other file and no network.

    Args:
        template: Name of a template that extends `base.html.jinja`.
        title: Title of the page.
        context: Variables of the template; their texts are escaped.
        data: Values for the page's script, by `id` of the element that holds them as JSON.

    Raises:
        ReportError: If the extra `report` is not installed.
    """
    check_packages()
    from markupsafe import Markup

    from stablebert.report.figures.style import CONFIG, DARK, LIGHT

    scripts = [vega_script(), _read("page.js")]
    look = {"base": dict(CONFIG), "light": LIGHT | _CLEAR, "dark": DARK | _CLEAR}
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            title=title,
            policy=policy(scripts),
            style=Markup(_read("page.css")),
            scripts=[Markup(script) for script in scripts],
            data={key: Markup(script_json(value)) for key, value in {"look": look, **data}.items()},
        )
    )


_CLEAR = {"background": "transparent"}


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("stablebert.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["p_value"] = format_p
    return environment


def _printable(value: object) -> object:
    """Return a text of the context without control characters; markup stays as it is."""
    return escape_controls(value, keep="\n") if type(value) is str else value


def _read(name: str) -> str:
    return (files("stablebert.report.page") / "templates" / name).read_text("utf-8")
