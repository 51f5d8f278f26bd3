"""Values of flags to values of the API: numbers, sizes, times, pairs, references.  Pure.

Texts of errors are Docker's, which means Go's where Go's own parsers speak.  The long syntaxes
with their own grammars are in `parse_port` and `parse_mount`.
"""

import csv
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from ipaddress import ip_address

from swarmd.cli.output import Json, utc_now
from swarmd.errors import InvalidArgumentError

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?([iI]?[bB])?")
_UNSIGNED = re.compile(r"0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|\d+")
_MAX_UINT64 = 2**64 - 1
_ASSIGNMENT = re.compile(r"\w+=\w+(,\w+=\w+)*")


def unsigned(text: str) -> int:
    """An unsigned 64-bit number; 0x…, 0o… and 0… as in Go."""
    problem = f'strconv.ParseUint: parsing "{text}": '
    if not _UNSIGNED.fullmatch(text):
        raise InvalidArgumentError(f"{problem}invalid syntax")
    octal = re.fullmatch(r"0[0-7]+", text)
    value = int(text, 8) if octal else int(text, 0)
    if value > _MAX_UINT64:
        raise InvalidArgumentError(f"{problem}value out of range")
    return value


def integer(text: str) -> int:
    """A signed number."""
    try:
        return int(text, 0)
    except ValueError as error:
        problem = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise InvalidArgumentError(problem) from error


def ratio(text: str) -> float:
    """A decimal number."""
    try:
        return float(text)
    except ValueError as error:
        problem = f'strconv.ParseFloat: parsing "{text}": invalid syntax'
        raise InvalidArgumentError(problem) from error


def duration(text: str) -> int:
    """A Go duration ("1m30s") in nanoseconds."""
    sign = -1 if text.startswith("-") else 1
    rest = text.lstrip("+-")
    if rest == "0":
        return 0
    parts = _DURATION.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        if re.fullmatch(r"\d+\.?\d*", rest):
            raise InvalidArgumentError(f'time: missing unit in duration "{text}"')
        raise InvalidArgumentError(f'time: invalid duration "{text}"')
    return sign * sum(int(Decimal(number) * _UNITS_NS[unit]) for number, unit in parts)


def positive_duration(text: str) -> int:
    """A Go duration of at least zero."""
    found = duration(text)
    if found < 0:
        raise InvalidArgumentError("duration cannot be negative")
    return found


def memory(text: str) -> int:
    """A size in bytes: "64m", "1.5g", "1024"; units are binary."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidArgumentError(f"invalid size: '{text}'")
    power = "kmgtp".index(match[2].lower()) + 1 if match[2] else 0
    return int(Decimal(match[1]) * 1024**power)


def nano_cpus(text: str) -> int:
    """Cores, "0.5" or "1/2", in billionths."""
    numerator, _, denominator = text.partition("/")
    try:
        nano = Decimal(numerator) * 1_000_000_000 / Decimal(denominator or "1")
    except ArithmeticError as error:
        raise InvalidArgumentError(f"failed to parse {text} as a rational number") from error
    if nano != nano.to_integral_value():
        raise InvalidArgumentError("value is too precise")
    return int(nano)


def words(text: str) -> list[str]:
    """A command line split as a shell would."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidArgumentError(f"invalid command: {error}") from error


def csv_fields(text: str) -> list[str]:
    """The fields of one line of CSV."""
    if re.search(r'[^,"]"', text.replace('""', "")) and not re.search(r'(^|,)"', text):
        column = text.index('"') + 1
        raise InvalidArgumentError(
            f'parse error on line 1, column {column}: bare " in non-quoted-field'
        )
    return next(csv.reader([text]), [""])


def is_long_syntax(text: str) -> bool:
    """True for `key=value,…`, as ports and networks tell their two syntaxes apart."""
    return _ASSIGNMENT.search(text) is not None


def pair(field: str) -> tuple[str, str]:
    """`key=value` of a long syntax, the key in lower case."""
    key, equals, value = field.partition("=")
    if not equals or not key:
        raise InvalidArgumentError(f"invalid field '{field}' must be a key=value pair")
    return key.lower(), value


def key_values(given: Iterable[str]) -> dict[str, str]:
    """`key=value` and `key` to a mapping; the last of a key counts."""
    return {key: value for key, _, value in (text.partition("=") for text in given)}


def label(text: str) -> str:
    """`text`, if it can be a label."""
    if not text.partition("=")[0].strip():
        raise InvalidArgumentError(f"invalid label '{text}': empty name")
    return text


def env(text: str, environment: Mapping[str, str]) -> str:
    """`NAME=value`; `NAME` alone takes the client's value, if it has one."""
    name, equals, _ = text.partition("=")
    if not name:
        raise InvalidArgumentError(f"invalid environment variable: {text}")
    if equals or name not in environment:
        return text
    return f"{name}={environment[name]}"


def env_file(text: str, name: str, environment: Mapping[str, str]) -> list[str]:
    """The assignments of an `--env-file`; a name without value takes the client's or is left out."""
    found: list[str] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        line = raw.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, _ = line.partition("=")
        if not key or re.search(r"\s", key):
            problem = (
                f"variable '{key}' contains whitespaces"
                if key
                else f"no variable name on line '{raw}'"
            )
            raise InvalidArgumentError(f"invalid env file ({name}): line {number}: {problem}")
        if equals or key in environment:
            found.append(env(line, environment))
    return found


def ip(text: str) -> str:
    """`text`, if it is an address."""
    try:
        return str(ip_address(text.strip()))
    except ValueError as error:
        raise InvalidArgumentError(f"IP address is not correctly formatted: {text}") from error


def extra_host(text: str) -> str:
    """`host:ip` or `host=ip` as `host:ip`."""
    host, separator, address = (
        text.partition("=") if "=" in text.partition(":")[0] else text.partition(":")
    )
    if not separator or not host:
        raise InvalidArgumentError(f'bad format for add-host: "{text}"')
    address = address.removeprefix("[").removesuffix("]")
    try:
        ip_address(address)
    except ValueError as error:
        raise InvalidArgumentError(f'invalid IP address in add-host: "{address}"') from error
    return f"{host}:{address}"


def swarm_hosts(given: Sequence[str]) -> list[str]:
    """`host:ip` to the API's `ip host`."""
    return [f"{address} {host}" for host, _, address in (text.partition(":") for text in given)]


def placement_preference(text: str) -> Json:
    """`spread=<label>`."""
    strategy, equals, descriptor = text.partition("=")
    if not equals or not strategy:
        problem = 'placement preference must be of the format "<strategy>=<arg>"'
        raise InvalidArgumentError(problem)
    if strategy != "spread":
        problem = f"unsupported placement preference {strategy} (only spread is supported)"
        raise InvalidArgumentError(problem)
    return {"Spread": {"SpreadDescriptor": descriptor}}


def generic_resource(text: str) -> Json:
    """`KIND=COUNT`; named resources cannot be asked for."""
    kind, equals, count = text.partition("=")
    if not equals or not kind:
        raise InvalidArgumentError(
            f"invalid generic-resource format `{text}` expected `name=value`"
        )
    try:
        return {"DiscreteResourceSpec": {"Kind": kind, "Value": int(count)}}
    except ValueError as error:
        problem = f"invalid generic-resource request `{text}`, Named Generic Resources is not "
        raise InvalidArgumentError(f"{problem}supported for service create or update") from error


def ulimit(text: str) -> Json:
    """`name=soft[:hard]`."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise InvalidArgumentError(f"invalid ulimit argument: {text}")
    soft, colon, hard = limits.partition(":")
    low = integer(soft)
    high = integer(hard) if colon else low
    if low > high != -1:
        problem = f"ulimit soft limit must be less than or equal to hard limit: {low} > {high}"
        raise InvalidArgumentError(problem)
    return {"Name": name, "Hard": high, "Soft": low}


def credential_spec(text: str) -> Json:
    """`config://…`, `file://…`, `registry://…`; empty for none."""
    for scheme, key in (("config", "Config"), ("file", "File"), ("registry", "Registry")):
        if text.startswith(f"{scheme}://"):
            return {key: text.removeprefix(f"{scheme}://")}
    if text:
        raise InvalidArgumentError(
            'invalid credential spec: value must be prefixed with "config://", "file://", or '
            '"registry://"'
        )
    return {}


def since(text: str) -> str:
    """A time for the API: seconds since 1970, from that, from RFC 3339, or from "42m" ago."""
    if not text or re.fullmatch(r"\d+(\.\d+)?", text):
        return text
    try:
        return f"{utc_now() - duration(text) / 1e9:.9f}"
    except InvalidArgumentError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgumentError(f'invalid value for "since": {text}') from error
    return f"{moment.timestamp():.9f}"
