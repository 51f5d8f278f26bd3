"""`--mount`, `--network`, `--secret` and `--config`: the long syntaxes in CSV.  Pure."""

from collections.abc import Callable, Mapping

from swarmd.cli.output import Json
from swarmd.cli.parse import csv_fields, is_long_syntax, memory, pair, unsigned
from swarmd.errors import InvalidArgumentError

_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_RECURSIVE: Mapping[str, Json] = {
    "enabled": {},
    "disabled": {"NonRecursive": True},
    "writable": {"ReadOnlyNonRecursive": True},
    "readonly": {"ReadOnlyForceRecursive": True},
}
#: Mount type by the options that only it has.
_TYPES = {
    "VolumeOptions": "volume",
    "ImageOptions": "image",
    "BindOptions": "bind",
    "TmpfsOptions": "tmpfs",
}


def mount(text: str, folder: str) -> Json:
    """One mount; a bind source that begins with "." is taken from `folder`.

    Raises:
        InvalidArgumentError: unknown keys, bad values, options of another type.
    """
    found = _Mount(folder)
    for field in csv_fields(text):
        found.add(field)
    return found.checked()


class _Mount:
    """A mount in the making."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._mount: Json = {"Type": "volume"}

    def add(self, field: str) -> None:
        """Take one field of the CSV."""
        if field.lower() in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive"):
            field += "=true"
        key, value = pair(field)
        group, _, name = key.partition("-")
        if name and group in ("bind", "volume", "image", "tmpfs"):
            options = self._mount.setdefault(f"{group.capitalize()}Options", {})
            self._add_option(options, key, value, field)
        else:
            self._add_plain(key, value, field)

    def _add_plain(self, key: str, value: str, field: str) -> None:
        match key:
            case "type":
                self._mount["Type"] = value.lower()
            case "source" | "src":
                self._mount["Source"] = self._absolute(value)
            case "target" | "dst" | "destination":
                self._mount["Target"] = value
            case "readonly" | "ro":
                self._mount["ReadOnly"] = _truth(key, value)
            case "consistency":
                self._mount["Consistency"] = value.lower()
            case _:
                raise InvalidArgumentError(f"unexpected key '{key}' in '{field}'")

    def _absolute(self, source: str) -> str:
        if not source.startswith("."):
            return source
        parts: list[str] = []
        for part in f"{self._folder}/{source}".split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def _add_option(self, options: Json, key: str, value: str, field: str) -> None:
        if key in _OPTIONS:
            member, parsed = _OPTIONS[key]
            options[member] = parsed(key, value)
            return
        match key:
            case "bind-recursive":
                options |= _recursive(value)
            case "volume-label":
                _put(options.setdefault("Labels", {}), value)
            case "volume-opt":
                driver = options.setdefault("DriverConfig", {})
                _put(driver.setdefault("Options", {}), value)
            case "volume-driver":
                options.setdefault("DriverConfig", {})["Name"] = value
            case _:
                raise InvalidArgumentError(f"unexpected key '{key}' in '{field}'")

    def checked(self) -> Json:
        """The mount, if its parts fit together."""
        if not self._mount["Type"]:
            raise InvalidArgumentError("type is required")
        if not self._mount.get("Target"):
            raise InvalidArgumentError("target is required")
        for options, kind in _TYPES.items():
            if options in self._mount and self._mount["Type"] != kind:
                raise InvalidArgumentError(
                    f"cannot mix '{kind}-*' options with mount type '{self._mount['Type']}'"
                )
        self._check_bind(self._mount.get("BindOptions", {}))
        return self._mount

    def _check_bind(self, bind: Json) -> None:
        for name, option in (
            ("writable", "ReadOnlyNonRecursive"),
            ("readonly", "ReadOnlyForceRecursive"),
        ):
            if bind.get(option) and not self._mount.get("ReadOnly"):
                raise InvalidArgumentError(
                    f"option 'bind-recursive={name}' requires 'readonly' to be specified in "
                    "conjunction"
                )
        if bind.get("ReadOnlyForceRecursive") and bind.get("Propagation") != "rprivate":
            raise InvalidArgumentError(
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be "
                "specified in conjunction"
            )


def network(text: str) -> Json:
    """`NAME`, or `name=…,alias=…,driver-opt=…`; the target is a name that is not resolved yet."""
    if not is_long_syntax(text):
        return {"Target": text}
    found: Json = {"Target": ""}
    for field in csv_fields(text):
        key, equals, value = (part.strip() for part in field.lower().partition("="))
        if not equals or not key:
            raise InvalidArgumentError(f"invalid field {field}")
        match key:
            case "name":
                found["Target"] = value
            case "alias":
                found.setdefault("Aliases", []).append(value)
            case "driver-opt":
                if "=" not in value or value.startswith("="):
                    raise InvalidArgumentError("invalid key value pair format in driver options")
                _put(found.setdefault("DriverOpts", {}), value)
            case _:
                raise InvalidArgumentError(f"invalid field key {key}")
    if not found["Target"]:
        raise InvalidArgumentError("network name/id is not specified")
    return found


def file_reference(text: str, kind: str) -> Json:
    """A `--secret` or `--config` (`kind`): `NAME`, or `source=…,target=…,uid=…,gid=…,mode=…`.

    Its id is not known yet.
    """
    file: Json = {"UID": "0", "GID": "0", "Mode": 0o444}
    fields = csv_fields(text)
    source = ""
    if len(fields) == 1 and "=" not in fields[0]:
        source, fields = fields[0], []
    for field in fields:
        key, value = pair(field)
        match key:
            case "source" | "src":
                source = value
            case "target":
                file["Name"] = value
            case "uid" | "gid":
                file[key.upper()] = value
            case "mode":
                file["Mode"] = _mode(value)
            case _:
                raise InvalidArgumentError(f"invalid field in {kind} request: {key}")
    if not source:
        raise InvalidArgumentError("source is required")
    return {"File": {"Name": source, **file}, f"{kind.capitalize()}Name": source}


def _mode(value: str) -> int:
    try:
        return unsigned(value)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"invalid mode specified: {error}") from error


def _put(target: dict[str, str], assignment: str) -> None:
    key, _, value = assignment.partition("=")
    if key:
        target[key.strip()] = value.strip()


def _truth(key: str, value: str) -> bool:
    if value not in _TRUTHS:
        raise InvalidArgumentError(f"invalid value for {key}: {value}")
    return _TRUTHS[value]


def _recursive(value: str) -> Json:
    if value not in _RECURSIVE:
        raise InvalidArgumentError(
            f"invalid value for bind-recursive: {value} "
            '(must be "enabled", "disabled", "writable", or "readonly")'
        )
    return _RECURSIVE[value]


def _size(key: str, value: str) -> int:
    try:
        return memory(value)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"invalid value for {key}: {value}") from error


def _octal(key: str, value: str) -> int:
    try:
        return int(value, 8)
    except ValueError as error:
        raise InvalidArgumentError(f"invalid value for {key}: {value}") from error


#: Options with one value each: key → member, how the value is read.
_OPTIONS: Mapping[str, tuple[str, Callable[[str, str], object]]] = {
    "bind-propagation": ("Propagation", lambda _, value: value.lower()),
    "bind-nonrecursive": ("NonRecursive", _truth),
    "volume-nocopy": ("NoCopy", _truth),
    "volume-subpath": ("Subpath", lambda _, value: value),
    "image-subpath": ("Subpath", lambda _, value: value),
    "tmpfs-size": ("SizeBytes", _size),
    "tmpfs-mode": ("Mode", _octal),
}
