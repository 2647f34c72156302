"""Logs: one event a line, for people or as JSON, and nothing in them about a person.

What is written down is named field by field where it happens: a route and not the path that was asked for, a role and
not who holds it. Three nets hang below that. An error is told by its kind and by the lines of code it went through, and
in its own words only where these can speak of nothing but code. Addresses of mail and of the network are masked in
every text. What gunicorn would say of a request it could not read is cut short.
"""

from __future__ import annotations

import contextvars
import ipaddress
import logging
import logging.config
import re
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, TextIO

import psycopg
from pythonjsonlogger.json import JsonFormatter
from sqlalchemy.exc import DBAPIError, NoResultFound

from ewaste.core.config import ConfigError
from ewaste.core.installation import Unfounded

__all__ = ["configure", "per_job", "request_id", "sane", "settings", "to", "told", "under", "unhandled"]

Fields = Mapping[str, object]

# Their words name code, settings or the installation. Everything else may quote what somebody sent.
SPEAK_OF_CODE: Final = (
    *(AttributeError, ImportError, NameError, NotImplementedError, RecursionError, TypeError),
    *(ConfigError, NoResultFound, Unfounded),
)
FIELDS: Final = "fields"  # the attribute of a record that carries what `told` was given
ADDRESS: Final = re.compile(r"[^\s@<>\"'(),;:=]+@[^\s@<>\"'(),;:]+")
NETWORK: Final = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F.]*)(?![\w])")
SANE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")

_under: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)


def settings(form: str) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes, for `text`, `json` or `quiet`: the text of what went wrong, and no more.

    Gunicorn takes the same.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{__name__}.{'Json' if form == 'json' else 'Plain'}"}},
        "filters": {"requests": {"()": f"{__name__}.Curt"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
                "filters": ["requests"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "ewaste": {"level": "WARNING" if form == "quiet" else "INFO"},
            "procrastinate.blueprints": {"level": "ERROR"},  # how our worker is started is no matter for a log
            "gunicorn.error": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def configure(form: str) -> None:
    """Write every log of this process to standard error in this form."""
    logging.config.dictConfig(settings(form))
    logging.captureWarnings(True)
    unhandled()


def told(log: logging.Logger, level: int, event: str, /, **fields: object) -> None:
    """Write an event with its fields. The caller answers for what they hold: no names, no addresses, no codes."""
    if log.isEnabledFor(level):
        log.log(level, event, extra={FIELDS: fields})


def sane(text: str | None) -> str | None:
    """An id that a proxy or a program gave a request, if it is one we would write into a log; else None."""
    return text if text is not None and SANE.fullmatch(text) else None


def request_id() -> str | None:
    """The id under which this thread's events are written, or None outside a request or job."""
    return _under.get()


@contextmanager
def under(name: str | None = None) -> Iterator[str]:
    """Write what happens inside under this id, or under a fresh one."""
    chosen = name or secrets.token_hex(8)
    before = _under.set(chosen)
    try:
        yield chosen
    finally:
        _under.reset(before)


def per_job(name: str, function: Callable[..., None], log: logging.Logger) -> Callable[..., None]:
    """The job's function, telling how each run ended and how long it took. What it raises goes on upwards."""

    def run(**arguments: Any) -> None:
        began = time.perf_counter()
        with under():
            try:
                function(**arguments)
            except Exception as problem:
                took = round((time.perf_counter() - began) * 1000, 1)
                told(log, logging.WARNING, "job", job=name, outcome="failed", error=type(problem).__name__, ms=took)
                raise
            told(log, logging.INFO, "job", job=name, outcome="done", ms=round((time.perf_counter() - began) * 1000, 1))

    run.__name__ = run.__qualname__ = name
    return run


class Curt(logging.Filter):
    """Cuts short what gunicorn says of requests: its words repeat the request line and the caller's address."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; the record may be changed."""
        if record.name == "gunicorn.error" and re.search(r"request|ip=", str(record.msg), re.IGNORECASE):
            record.msg, record.args = "A request could not be read or answered.", ()
        return True


class Plain(logging.Formatter):
    """`12:00:00 INFO web request · GET /lots 200 …` for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the lines of a traceback below it."""
        moment = time.strftime("%H:%M:%S", time.gmtime(record.created))
        fields = _fields(record)
        said = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        message = " ⏎ ".join(_masked(record.getMessage()).splitlines())  # What was sent begins no line of its own.
        text = f"{moment} {record.levelname.lower()} {_source(record)}: {message}"
        text += f" · {said}" if said else ""
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + _traceback(record.exc_info[1])
        return text


class Json(JsonFormatter):
    """One JSON object a line: time, level, logger, message, and the event's own fields."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        out: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _masked(record.getMessage()),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            out["error"] = type(record.exc_info[1]).__name__
            out["traceback"] = _traceback(record.exc_info[1])
        return str(self.jsonify_log_record(out))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The fields of `told`, or what a library gave in `extra` by its kind alone; and the id of the request."""
    given = getattr(record, FIELDS, {})
    fields = {name: _masked(value) if isinstance(value, str) else value for name, value in given.items()}
    name = _under.get()
    return fields if name is None or "request_id" in fields else {**fields, "request_id": name}


def _source(record: logging.LogRecord) -> str:
    return record.name.removeprefix("ewaste.")


def _masked(text: str) -> str:
    """The text without addresses. A second net: nobody is meant to write one."""
    if "@" in text:
        text = ADDRESS.sub("<address>", text)
    return NETWORK.sub(_network, text)


def _network(found: re.Match[str]) -> str:
    """Nothing of an address but that it was one; this machine's own tells nothing, and a time is none."""
    try:
        address = ipaddress.ip_address(found[0].rstrip(".:") if found[0].endswith((".", ":")) else found[0])
    except ValueError:
        return found[0]
    return found[0] if address.is_loopback or address.is_unspecified else "<network>"


def _traceback(error: BaseException) -> str:
    """Kind after kind, each with the code it went through, the cause first."""
    parts, seen = [], set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append(_frames(current.__traceback__) + f"{type(current).__qualname__}{_words(current)}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n… which led to:\n".join(reversed(parts))


def _frames(trace: TracebackType | None) -> str:
    return "".join(
        f"  {frame.filename}:{frame.lineno} in {frame.name}: {(frame.line or '').strip()}\n"
        for frame in traceback.extract_tb(trace)
    )


def _words(error: BaseException) -> str:
    """What an error may say of itself. A database's words quote whole rows, so it is named by code and constraint."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        place = ".".join(filter(None, (cause.diag.table_name, cause.diag.constraint_name or cause.diag.column_name)))
        said = " ".join(filter(None, (cause.sqlstate, place)))
        return f": {said}" if said else ""
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    if isinstance(error, SPEAK_OF_CODE) or type(error).__module__.partition(".")[0] == "jinja2":
        return f": {_masked(str(error))}"
    return ""


def to(stream: TextIO, form: str, *names: str) -> logging.Handler:
    """A handler that writes these loggers to a stream: for tests, which take it away again."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json() if form == "json" else Plain())
    handler.addFilter(Curt())
    for name in names or ("",):
        logging.getLogger(name).addHandler(handler)
    return handler


def unhandled() -> None:
    """Let an error that nobody caught be told like any other, instead of Python's own way."""
    log = logging.getLogger("ewaste")

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("The program ended by an error.", exc_info=(kind, error, trace))

    sys.excepthook = hook
    threading.excepthook = lambda of: hook(of.exc_type, of.exc_value or of.exc_type(), of.exc_traceback)
