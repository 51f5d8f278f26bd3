"""click commands that read their arguments as the docker CLI does, and fail as it does.

What click does otherwise, and Docker's users type every day: `--detach=false` (a flag with a
value), `-dq`, `-p80:80`, and options after the arguments except behind an IMAGE.  So a `Command`
splits its arguments by pflag's rules and hands the values to click's parameters, which convert,
document and complete them.  Positional arguments are not click parameters: a command says how many
it takes, and gets them as its first argument.

Exit codes: 125 for a flag that is not understood, 1 for everything else (`UsageError`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from swarmd.errors import InvalidArgumentError, SwarmError

if TYPE_CHECKING:
    from swarmd.cli.client import Client

Function = TypeVar("Function", bound=Callable[..., Any])

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


class UsageError(InvalidArgumentError):
    """A command line that cannot be run.

    Attributes:
        exit_code: 125 for flags, 1 for arguments, as docker has it.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SeveralError(SwarmError):
    """Some of several things failed; one message each, a line each."""

    def __init__(self, problems: Sequence[object]) -> None:
        super().__init__("\n".join(map(str, problems)))


class Session:
    """What every command gets: the way to the daemon."""

    def __init__(self, host: str) -> None:
        self._host = host

    @cached_property
    def client(self) -> "Client":
        """Calls to the daemon; imported at the first, so that help does not pay for sockets."""
        from swarmd.cli.client import Client  # noqa: PLC0415 - see above

        return Client(self._host)


class Command(click.Command):
    """A leaf command.

    Attributes:
        usage: the arguments as help shows them: "SERVICE [SERVICE...]".
        count: least and greatest number of arguments; None = any number.
        is_interspersed: options may follow arguments.
    """

    usage = ""
    count: tuple[int, int | None] = (0, 0)
    is_interspersed = True
    aliases: tuple[str, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Fill `ctx.params` and `ctx.args`.

        Raises:
            UsageError: an unknown flag, a bad value, a wrong number of arguments.
        """
        ctx.allow_extra_args = True  # counted below, in Docker's words
        try:
            rest = super().parse_args(ctx, args)
        except UsageError as failure:
            raise UsageError(f"{failure}\n\n{self._hint(ctx)}", failure.exit_code) from failure
        except click.BadParameter as error:
            raise UsageError(f"{_explained(error)}\n\n{self._hint(ctx)}", 125) from error
        self._check_count(ctx, rest)
        return rest

    def make_parser(self, ctx: click.Context) -> "_Parser":  # type: ignore[override]  # all that click calls is there
        """Pflag's rules instead of click's."""
        return _Parser(self.get_params(ctx), is_interspersed=self.is_interspersed)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """For help: options and arguments."""
        pieces = ["[OPTIONS]"] if len(self.get_params(ctx)) > 1 else []
        return [*pieces, self.usage] if self.usage else pieces

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command: session, arguments, then the flags by name."""
        assert self.callback is not None
        return ctx.invoke(self.callback, ctx.obj, ctx.args, **ctx.params)

    def _check_count(self, ctx: click.Context, rest: Sequence[str]) -> None:
        least, most = self.count
        if len(rest) >= least and (most is None or len(rest) <= most):
            return
        if most == 0:
            wanted = "accepts no arguments"
        else:
            exactly = "" if least == most else "at least "
            wanted = f"requires {exactly}{least} argument{'' if least == 1 else 's'}"
        hint = self._hint(ctx)
        if most is None:
            hint = hint.replace("\nRun '", "\nSee '")  # docker is not of one mind here
        program = ctx.find_root().info_name
        raise UsageError(f"{program}: '{ctx.command_path}' {wanted}\n\n{hint}", 1)

    def _hint(self, ctx: click.Context) -> str:
        pieces = " ".join([ctx.command_path, *self.collect_usage_pieces(ctx)])
        return f"Usage:  {pieces}\n\nRun '{ctx.command_path} --help' for more information"


class _Parser:
    """Arguments to flags and the rest, by the rules of Go's pflag."""

    #: click asks each parser for the characters that options begin with.
    _opt_prefixes = frozenset(("-", "--"))

    def __init__(self, params: list[click.Parameter], *, is_interspersed: bool) -> None:
        self._is_interspersed = is_interspersed
        self._options = {
            name: param
            for param in params
            if isinstance(param, click.Option)
            for name in param.opts
        }

    def parse_args(
        self, args: list[str]
    ) -> tuple[dict[str, object], list[str], list[click.Parameter]]:
        """Values by parameter name (a list where an option may be repeated), the rest, the order."""
        values: dict[str, object] = {}
        rest: list[str] = []
        remaining = iter(args)
        for arg in remaining:
            if arg == "--":
                rest.extend(remaining)
            elif arg.startswith("--"):
                self._long(arg, remaining, values)
            elif arg.startswith("-") and len(arg) > 1:
                self._short(arg, remaining, values)
            else:
                rest.append(arg)
                if not self._is_interspersed:
                    rest.extend(remaining)
        options = {option.name: option for option in self._options.values()}
        return values, rest, [options[name] for name in values]

    def _long(self, arg: str, remaining: Iterator[str], values: dict[str, object]) -> None:
        name, equals, value = arg.partition("=")
        option = self._options.get(name)
        if option is None:
            raise UsageError(f"unknown flag: {name}", 125)
        if option.is_flag:
            _set(values, option, _truth(option, value) if equals else True)
        elif equals:
            _set(values, option, value)
        else:
            _set(values, option, _next(remaining, name))

    def _short(self, arg: str, remaining: Iterator[str], values: dict[str, object]) -> None:
        letters = arg[1:]
        while letters:
            where, letter, letters = f"in -{letters}", letters[0], letters[1:]
            option = self._options.get(f"-{letter}")
            if option is None:
                raise UsageError(f"unknown shorthand flag: {letter!r} {where}", 125)
            if option.is_flag and not letters.startswith("="):
                _set(values, option, True)
                continue
            value = (
                letters.removeprefix("=") if letters else _next(remaining, f"{letter!r} {where}")
            )
            _set(values, option, _truth(option, value) if option.is_flag else value)
            return


def _set(values: dict[str, object], option: click.Option, value: object) -> None:
    assert option.name is not None
    if option.multiple:
        repeated = values.setdefault(option.name, [])
        assert isinstance(repeated, list)
        repeated.append(value)
    else:
        values[option.name] = value


def _next(remaining: Iterator[str], name: str) -> str:
    value = next(remaining, None)
    if value is None:
        raise UsageError(f"flag needs an argument: {name}", 125)
    return value


def _truth(option: click.Option, value: str) -> bool:
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    problem = f'strconv.ParseBool: parsing "{value}": invalid syntax'
    raise UsageError(f'invalid argument "{value}" for "{_names(option)}" flag: {problem}', 125)


def _names(option: click.Parameter) -> str:
    return ", ".join(sorted(option.opts, key=len))


def _explained(error: click.BadParameter) -> str:
    if error.param is None:
        return error.format_message()
    return f'invalid argument for "{_names(error.param)}" flag: {error.message}'


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """An option's value, read by a pure function that raises InvalidArgumentError."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The value; raises UsageError in Docker's words."""
        del ctx
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except InvalidArgumentError as error:
            names = "" if param is None else _names(param)
            message = f'invalid argument "{value}" for "{names}" flag: {error}'
            raise UsageError(message, 125) from error


class LazyGroup(click.Group):
    """A group whose commands are imported when one of them is run.

    `table` says for each name where the command is and what it does, so that help imports nothing.
    """

    def __init__(
        self,
        name: str,
        table: Mapping[str, tuple[str, str]],
        help_text: str,
        params: list[click.Parameter] | None = None,
        callback: Callable[..., None] | None = None,
    ) -> None:
        super().__init__(
            name, help=help_text, params=params, callback=callback, no_args_is_help=False
        )
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted, without aliases."""
        del ctx
        return sorted(name for name, (_, help_text) in self._table.items() if help_text)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, from `table` alone."""
        rows = [(name, self._table[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split off the group's own options; without a command, show help."""
        if not args:
            click.echo(ctx.get_help())
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named.

        Raises:
            UsageError: there is no such command.
        """
        found = self.get_command(ctx, args[0])
        if found is not None:
            return args[0], found, args[1:]
        path, program = ctx.command_path, ctx.find_root().info_name
        usage = f"Usage:  {path}\n\n" if ctx.parent else ""
        raise UsageError(
            f"{program}: unknown command: {path} {args[0]}\n\n"
            f"{usage}Run '{path} --help' for more information",
            1,
        )


def command(
    name: str,
    usage: str = "",
    *,
    count: tuple[int, int | None] = (0, 0),
    is_interspersed: bool = True,
) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function(session, args, **flags); its docstring is the help."""

    def decorate(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command)(function)
        made.usage, made.count, made.is_interspersed = usage, count, is_interspersed
        return made

    return decorate


def given_names(ctx: click.Context) -> list[str]:
    """The parameters that the user gave on the command line."""
    return [
        name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]


def switch(*names: str, text: str, default: bool | None = False) -> Callable[[Function], Function]:
    """A flag that also takes a value: --detach, --detach=false."""
    return click.option(*names, is_flag=True, default=default, help=text)


def repeated(*names: str, text: str, **settings: Any) -> Callable[[Function], Function]:
    """An option that may be given several times; a tuple of its values."""
    return click.option(*names, multiple=True, help=text, **settings)


FORMAT_HELP = "Format output using a custom template: 'table', 'table TEMPLATE', 'json', 'TEMPLATE'"
