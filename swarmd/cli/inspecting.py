"""What the `inspect` commands share: objects by reference, as JSON, by template, or pretty."""

from collections.abc import Callable, Sequence

import click

from swarmd.cli.command import SeveralError
from swarmd.cli.output import Json, json_text
from swarmd.cli.template import parse
from swarmd.errors import InvalidArgumentError, SwarmError


def inspect_all(
    references: Sequence[str],
    find: Callable[[str], Json],
    *,
    format_: str,
    value_of: Callable[[Json], object],
    pretty: Callable[[Json], str] | None,
) -> None:
    """Print the objects that exist, then fail with one line for each that does not.

    `value_of` is what a template sees of an object.

    Raises:
        SeveralError: some could not be found or rendered.
    """
    if pretty is not None and format_:
        raise InvalidArgumentError("--format is incompatible with human friendly format")
    render = pretty or _renderer(format_, value_of)
    found: list[Json] = []
    problems: list[SwarmError] = []
    for reference in references:
        try:
            found.append(find(reference))
        except SwarmError as error:
            problems.append(error)
    if render is not None:
        click.echo("".join(map(render, found)), nl=False)
    elif format_ == "json":
        click.echo(json_text(found))
    else:
        click.echo(json_text(found, indent=4))
    if problems:
        raise SeveralError(problems)


def _renderer(format_: str, value_of: Callable[[Json], object]) -> Callable[[Json], str] | None:
    if format_ in ("", "json", "raw"):
        return None
    template = parse(format_)
    return lambda found: template.render(value_of(found)) + "\n"
