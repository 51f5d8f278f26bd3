"""The daemon's log: one line per event, what varies as keys."""

import logging
import sys

import msgspec

#: Attributes of every record; all others were given as `extra`.
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extras(record: logging.LogRecord) -> dict[str, str]:
    return {k: str(v) for k, v in vars(record).items() if k not in _PLAIN}


class TextFormatter(logging.Formatter):
    """`2026-01-02T03:04:05.678Z INFO task placed task=… node=…`."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback if there is one."""
        keys = "".join(f" {key}={value}" for key, value in _extras(record).items())
        at = self.formatTime(record)
        line = f"{at} {record.levelname} {record.getMessage()}{keys}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, event, logger, and the keys."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **_extras(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def set_up(level: str, layout: str) -> None:
    """Log to standard error, where the service manager collects it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if layout == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("asyncio", "aiohttp", "pysyncobj"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
