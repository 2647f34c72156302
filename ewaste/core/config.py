"""The settings of the marketplace: read once from the environment, checked, and then handed down.

`Config.from_env` is the only code that reads settings. `SETTINGS` lists them all, each with its
default and its meaning; `docs/configuration.md` is checked against it by a test. A wrong value is
a `ConfigError` whose message names the variable and says what to do about it.

Secrets that nobody has to choose (the key that signs sessions, the one that signs practice
webhooks) are made at first use, under `EWASTE_DATA/secrets`, readable by their owner only.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast, get_args
from urllib.parse import urlsplit

from ewaste.core.log_trust import NO_LOG, LogTrust

__all__ = ["SETTINGS", "Config", "ConfigError", "Mode", "Setting"]

Mode = Literal["training", "live"]
LogForm = Literal["text", "json", "quiet"]
Sample = Literal["none", "accounts", "full"]

DEFAULT_PORT: Final = 8000
# Where the practice server listens, counted from PORT, when PRACTICE_PORT is not set.
PRACTICE_PORT_OFFSET: Final = 20
PRACTICE_MAIL_OFFSET: Final = 21
# What the Stripe SDK is given when it talks to the practice server; never sent anywhere else.
PRACTICE_API_KEY: Final = "sk_test_practice"
MINIMUM_SECRET_LENGTH: Final = 32
MOST_PROXIES: Final = 5
MOST_WITNESSES: Final = 20
# Where the signer of `make run` leaves its public key, under EWASTE_DATA.
LOG_KEY_FILE: Final = "log.vkey"
# Who asks from this machine: probes, scrapers, a developer.
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")


class ConfigError(ValueError):
    """A setting that cannot be used. The message names the variable and says what to do."""


class Setting(NamedTuple):
    """One line of `docs/configuration.md`."""

    name: str
    default: str
    meaning: str


SETTINGS: Final = (
    Setting("PORT", "8000", "Port of the site, on the address of EWASTE_HOST."),
    Setting(
        "EWASTE_HOST",
        "127.0.0.1",
        "Address on which the site listens. In a container `0.0.0.0`; otherwise a proxy on the same machine stands "
        "before it.",
    ),
    Setting(
        "EWASTE_MODE",
        "training",
        "`training` admits practice money, sample accounts and training certificates; `live` refuses all three.",
    ),
    Setting(
        "EWASTE_SAMPLE",
        "full",
        "What a training market begins with: `none`, `accounts` to sign in as, or `full`, which is sixty devices as "
        "well. A live market has none of it.",
    ),
    Setting(
        "EWASTE_DATA",
        "var/",
        "Folder for what must be kept: the embedded database, keys, secrets, practice books, benchmark results.",
    ),
    Setting(
        "EWASTE_PUBLIC_URL",
        "http://127.0.0.1:PORT",
        "Address under which others reach the site; it stands in links and "
        "in certificates' identifiers. `live` wants https.",
    ),
    Setting(
        "EWASTE_TRUSTED_PROXIES",
        "0",
        "How many proxies of ours stand before the site, 0 to 5. Their X-Forwarded-For and X-Forwarded-Proto are "
        "believed, so that limits count per visitor.",
    ),
    Setting(
        "EWASTE_TRUSTED_HOSTS",
        "the host of EWASTE_PUBLIC_URL",
        "Names under which the site answers, with commas between them; `.market.example` also stands for every name "
        "below it. This machine's own names are always among them.",
    ),
    Setting(
        "EWASTE_LOG",
        "text",
        "`text` writes a line for people, `json` one JSON object a line, `quiet` only the lines that warn; `make run` "
        "is quiet unless this is set. All go to standard error, without personal data.",
    ),
    Setting(
        "EWASTE_METRICS_TOKEN",
        "none: this machine only",
        "Bearer token, at least 32 characters, with which `/metrics` may be read from elsewhere.",
    ),
    Setting(
        "EWASTE_SECRET_KEY",
        "made at first start",
        "Key that signs sessions, at least 32 characters. Set it when several machines serve one site.",
    ),
    Setting("DATABASE_URL", "the embedded PostgreSQL", "PostgreSQL 15 or later, as the app role (no DDL)."),
    Setting(
        "EWASTE_OWNER_DATABASE_URL",
        "the value of DATABASE_URL",
        "The same database as the role that owns the tables. Only `python -m ewaste migrate` needs it.",
    ),
    Setting(
        "EWASTE_ADMIN_DATABASE_URL",
        "the embedded PostgreSQL",
        "A superuser's URL to a PostgreSQL on which the tests may make and drop databases. Only the tests read it.",
    ),
    Setting(
        "STRIPE_API_KEY", "none: practice money", "Stripe's secret key. `live` wants a live key, `training` a test key."
    ),
    Setting(
        "STRIPE_WEBHOOK_SECRET",
        "none",
        "Signing secret (`whsec_…`) of the webhook endpoint at Stripe. Needed with STRIPE_API_KEY.",
    ),
    Setting(
        "EWASTE_SMTP_URL",
        "none: the practice mailbox",
        "Mail server, as `smtp://user:password@host:587` (STARTTLS) or `smtps://user:password@host:465`. "
        "`live` wants one.",
    ),
    Setting("EWASTE_MAIL_FROM", "Clearhand <post@HOST>", "Sender of our messages; HOST is that of EWASTE_PUBLIC_URL."),
    Setting(
        "EWASTE_IMPRINT",
        "none: the page says so",
        "Who operates this installation, for the imprint: lines with `;` between them, such as "
        "`Market GmbH; Weg 1; 50667 Köln; desk@market.example`.",
    ),
    Setting(
        "EWASTE_LOG_KEYS",
        "that of the signer of `make run`",
        "Public key of the log (its vkey, as `python -m ewaste.signer key` prints it). Keys of logs that ended follow, "
        "with spaces between them.",
    ),
    Setting(
        "EWASTE_LOG_SIGNER",
        "that of `make run`",
        "Socket of the log's signer. The worker alone needs it; the site must not have it.",
    ),
    Setting(
        "EWASTE_LOG_WITNESSES",
        "none",
        "Witnesses whose signatures count: `vkey address` for each, with `;` between them. The worker asks the address "
        "to sign each checkpoint; `-` stands for one that is not asked.",
    ),
    Setting(
        "EWASTE_LOG_WITNESSES_NEEDED",
        "all of EWASTE_LOG_WITNESSES",
        "How many of them must have seen a certificate in the log.",
    ),
    Setting("PRACTICE_MAIL_PORT", "PORT + 21", "Port on which the practice mailbox takes mail, on 127.0.0.1."),
    Setting("PRACTICE_PORT", "PORT + 20", "Port of the practice payments server, on 127.0.0.1."),
    Setting(
        "PRACTICE_URL",
        "http://127.0.0.1:PRACTICE_PORT",
        "Address of a practice payments server that runs elsewhere. `make run` then starts none.",
    ),
)


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, checked. Make one with `Config.from_env(os.environ)` at the edge and pass it down.

    What may be secret does not show when it is printed.
    """

    mode: Mode
    port: int
    data: Path
    public_url: str
    database_url: str | None = field(repr=False)
    """SQLAlchemy URL of the app role; None until a database is named or the embedded one was started."""
    owner_database_url: str | None = field(repr=False)
    """SQLAlchemy URL of the role that migrates; the same as `database_url` unless set apart."""
    stripe_api_key: str | None = field(repr=False)
    stripe_webhook_secret: str | None = field(repr=False)
    practice_port: int
    practice_url: str
    practice_elsewhere: bool
    """True when PRACTICE_URL was set: a practice server is already running somewhere."""
    given_secret_key: str | None = field(repr=False)
    given_smtp_url: str | None = field(repr=False)
    mail_from: str
    imprint: tuple[str, ...]
    """Who operates this installation, line by line; empty when nobody said."""
    practice_mail_port: int
    host: str
    """Address on which the site listens."""
    trusted_proxies: int
    """How many proxies stand before the site whose forwarding headers are believed."""
    trusted_hosts: tuple[str, ...]
    """Host names under which the site answers, this machine's own among them."""
    log: LogForm
    metrics_token: str | None = field(repr=False)
    sample: Sample
    """What a training market begins with; `none` in a live one."""
    given_log_keys: tuple[str, ...]
    log_signer: Path | None
    """Socket of the log's signer; None for everybody but the worker."""
    log_witnesses: tuple[tuple[str, str | None], ...]
    """Each witness's verifier key, and the address where it is asked to sign, if it is."""
    log_witnesses_needed: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read and check every setting. An empty value counts as not set. Raises ConfigError."""
        env = {name: value.strip() for name, value in environ.items() if value.strip()}
        mode = _mode(env)
        port = _port(env, "PORT", DEFAULT_PORT)
        practice_port = _port(env, "PRACTICE_PORT", _practice_default(port, PRACTICE_PORT_OFFSET))
        if practice_port == port:
            raise ConfigError(f"PRACTICE_PORT and PORT are both {port}. Give one of them another number.")
        database_url = _database_url(env, "DATABASE_URL")
        owner_url = _database_url(env, "EWASTE_OWNER_DATABASE_URL")
        if owner_url and not database_url:
            raise ConfigError("EWASTE_OWNER_DATABASE_URL is set, but DATABASE_URL is not. Set both, or neither.")
        public_url = _http_url(env, "EWASTE_PUBLIC_URL", f"http://127.0.0.1:{port}")
        config = cls(
            mode=mode,
            port=port,
            data=Path(env.get("EWASTE_DATA", "var")).expanduser().resolve(),
            public_url=public_url,
            database_url=database_url,
            owner_database_url=owner_url or database_url,
            stripe_api_key=env.get("STRIPE_API_KEY"),
            stripe_webhook_secret=env.get("STRIPE_WEBHOOK_SECRET"),
            practice_port=practice_port,
            practice_url=_http_url(env, "PRACTICE_URL", f"http://127.0.0.1:{practice_port}"),
            practice_elsewhere="PRACTICE_URL" in env,
            given_secret_key=env.get("EWASTE_SECRET_KEY"),
            given_smtp_url=_smtp_url(env),
            mail_from=_mail_from(env, public_url),
            imprint=_imprint(env),
            practice_mail_port=_port(env, "PRACTICE_MAIL_PORT", _practice_default(port, PRACTICE_MAIL_OFFSET)),
            host=_listening_address(env),
            trusted_proxies=_proxies(env),
            trusted_hosts=_trusted_hosts(env, public_url),
            log=_log_form(env),
            metrics_token=_metrics_token(env),
            sample=_sample(env, mode),
            given_log_keys=_log_keys(env),
            log_signer=Path(env["EWASTE_LOG_SIGNER"]).expanduser().resolve() if "EWASTE_LOG_SIGNER" in env else None,
            log_witnesses=_log_witnesses(env),
            log_witnesses_needed=_log_witnesses_needed(env),
        )
        _check_mail(config)
        _check_practice(env, mode)
        _check_stripe(config)
        _check_secret_key(config)
        if mode == "live" and not config.public_url.startswith("https://"):
            raise ConfigError(
                "EWASTE_MODE is live, so EWASTE_PUBLIC_URL must be the https address under which people reach "
                f"the site. It is {config.public_url}."
            )
        return config

    @property
    def training(self) -> bool:
        """True where practice money, sample accounts and training certificates are admitted."""
        return self.mode == "training"

    @property
    def practice(self) -> bool:
        """True when money is practice money: no Stripe key is set."""
        return self.stripe_api_key is None

    @property
    def practice_mail(self) -> bool:
        """True when mail goes to the practice mailbox: no mail server is set."""
        return self.given_smtp_url is None

    @property
    def smtp_url(self) -> str:
        """The mail server: the operator's, or the practice mailbox."""
        return self.given_smtp_url or f"smtp://127.0.0.1:{self.practice_mail_port}"

    @property
    def payments_api_key(self) -> str:
        """The key the Stripe SDK is given; a made-up one when it talks to the practice server."""
        return self.stripe_api_key or PRACTICE_API_KEY

    @property
    def payments_api_base(self) -> str | None:
        """Where the Stripe SDK sends its calls; None means Stripe itself."""
        return self.practice_url if self.practice else None

    @property
    def payments_webhook_secret(self) -> str:
        """The secret with which webhooks are signed: Stripe's, or the one made for the practice server."""
        return self.stripe_webhook_secret or self.secret("practice-webhook", prefix="whsec_")

    @property
    def secret_key(self) -> str:
        """The key that signs sessions and forms: EWASTE_SECRET_KEY, else one made at first use."""
        return self.given_secret_key or self.secret("session-key")

    @property
    def secrets_dir(self) -> Path:
        """Folder of the generated secrets (mode 0700); made when it is not there."""
        folder = self.data / "secrets"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def secret(self, name: str, *, prefix: str = "") -> str:
        """The secret of that name under EWASTE_DATA/secrets, made at random when it is not there yet (mode 0600)."""
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"{name!r} cannot be the name of a secret: use small letters, digits and hyphens")
        path = self.secrets_dir / name
        try:
            if not path.exists():
                _write_once(path, prefix + secrets.token_urlsafe(48))
            value = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ConfigError(
                f"EWASTE_DATA: the secret {path} cannot be read or written ({error.strerror})."
            ) from error
        if len(value) < MINIMUM_SECRET_LENGTH:
            raise ConfigError(
                f"EWASTE_DATA: the secret {path} is empty or too short. Remove the file; a new one is made."
            )
        return value

    @property
    def log_trust(self) -> LogTrust:
        """Which log and which witnesses count. The key is the one that was set, or that of the signer of `make run`."""
        keys = self.given_log_keys
        if not keys:
            try:
                keys = tuple((self.data / LOG_KEY_FILE).read_text(encoding="utf-8").split())
            except FileNotFoundError:
                return NO_LOG
        witnesses = tuple(vkey for vkey, _ in self.log_witnesses)
        return LogTrust(keys, witnesses, min(self.log_witnesses_needed, len(witnesses)))

    def require_database_url(self) -> str:
        """The app role's URL. Raises ConfigError when no database is named."""
        if self.database_url is None:
            raise ConfigError(
                "DATABASE_URL is not set. Start with `make run`, which brings its own PostgreSQL, or set it."
            )
        return self.database_url

    def require_owner_database_url(self) -> str:
        """The migrating role's URL. Raises ConfigError when no database is named."""
        self.require_database_url()
        return self.owner_database_url or self.require_database_url()


def _mode(env: Mapping[str, str]) -> Mode:
    value = env.get("EWASTE_MODE", "training")
    if value == "training":
        return "training"
    if value == "live":
        return "live"
    raise ConfigError(f"EWASTE_MODE is {value!r}. Set it to training or to live.")


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, str(default))
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= 65535:
        raise ConfigError(f"{name} is {value!r}. Set it to a whole number from 1 to 65535.")
    return int(value)


def _listening_address(env: Mapping[str, str]) -> str:
    value = env.get("EWASTE_HOST", "127.0.0.1")
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ConfigError(f"EWASTE_HOST is {value!r}. Set it to an IP address such as 127.0.0.1 or 0.0.0.0.") from error


def _proxies(env: Mapping[str, str]) -> int:
    value = env.get("EWASTE_TRUSTED_PROXIES", "0")
    if not (value.isascii() and value.isdigit()) or int(value) > MOST_PROXIES:
        raise ConfigError(f"EWASTE_TRUSTED_PROXIES is {value!r}. Set it to a whole number from 0 to {MOST_PROXIES}.")
    return int(value)


def _trusted_hosts(env: Mapping[str, str], public_url: str) -> tuple[str, ...]:
    host = urlsplit(public_url).hostname or "localhost"
    given = env.get("EWASTE_TRUSTED_HOSTS", f"[{host}]" if ":" in host else host)
    names = [name.strip().lower() for name in given.split(",") if name.strip()]
    for name in names:
        if not re.fullmatch(r"\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]", name):
            raise ConfigError(
                f"EWASTE_TRUSTED_HOSTS holds {name!r}. Write host names without scheme and port, such as "
                "market.example."
            )
    return tuple(dict.fromkeys([*names, *LOOPBACK_HOSTS]))


def _log_form(env: Mapping[str, str]) -> LogForm:
    value = env.get("EWASTE_LOG", "text")
    if value in get_args(LogForm):
        return cast(LogForm, value)
    raise ConfigError(f"EWASTE_LOG is {value!r}. Set it to text, to json or to quiet.")


def _sample(env: Mapping[str, str], mode: Mode) -> Sample:
    value = env.get("EWASTE_SAMPLE", "full" if mode == "training" else "none")
    if mode == "live" and value != "none":
        raise ConfigError(f"EWASTE_MODE is live, and EWASTE_SAMPLE is {value!r}. A live market has none: unset it.")
    if value == "none":
        return "none"
    if value == "accounts":
        return "accounts"
    if value == "full":
        return "full"
    raise ConfigError(f"EWASTE_SAMPLE is {value!r}. Set it to none, accounts or full.")


def _metrics_token(env: Mapping[str, str]) -> str | None:
    value = env.get("EWASTE_METRICS_TOKEN")
    if value is not None and (len(value) < MINIMUM_SECRET_LENGTH or not value.isascii()):
        # The value is not repeated: it is a secret.
        raise ConfigError(
            f"EWASTE_METRICS_TOKEN is shorter than {MINIMUM_SECRET_LENGTH} characters, or not plain text. "
            "Take a longer random text."
        )
    return value


def _log_keys(env: Mapping[str, str]) -> tuple[str, ...]:
    keys = tuple(env.get("EWASTE_LOG_KEYS", "").split())
    for key in keys:
        _require_vkey("EWASTE_LOG_KEYS", key)
    return keys


def _log_witnesses(env: Mapping[str, str]) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    for said in env.get("EWASTE_LOG_WITNESSES", "").split(";"):
        if not said.strip():
            continue
        key, _, address = said.strip().partition(" ")
        address = address.strip()
        _require_vkey("EWASTE_LOG_WITNESSES", key)
        if address != "-":
            _http_url({"EWASTE_LOG_WITNESSES": address}, "EWASTE_LOG_WITNESSES", "")
        found.append((key, None if address == "-" else address.rstrip("/")))
    if len(found) > MOST_WITNESSES:
        raise ConfigError(f"EWASTE_LOG_WITNESSES names more than {MOST_WITNESSES} witnesses.")
    return tuple(found)


def _log_witnesses_needed(env: Mapping[str, str]) -> int:
    count = len(_log_witnesses(env))
    value = env.get("EWASTE_LOG_WITNESSES_NEEDED", str(count))
    if not (value.isascii() and value.isdigit()) or int(value) > count:
        raise ConfigError(
            f"EWASTE_LOG_WITNESSES_NEEDED is {value!r}. Set it to a whole number, at most the {count} witnesses of "
            "EWASTE_LOG_WITNESSES."
        )
    return int(value)


def _require_vkey(name: str, key: str) -> None:
    if not re.fullmatch(r"[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}", key):
        raise ConfigError(f"{name} holds {key[:60]!r}. Write a verifier key as name+id+key, as its owner prints it.")


def _practice_default(port: int, offset: int) -> int:
    above = port + offset
    return above if above <= 65535 else port - offset


def _smtp_url(env: Mapping[str, str]) -> str | None:
    value = env.get("EWASTE_SMTP_URL")
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.path in ("", "/")
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        right = False
    if not right:  # The value is not repeated: it may hold a password.
        raise ConfigError("EWASTE_SMTP_URL names no mail server. Write it as smtp://user:password@host:587.")
    return value


def _mail_from(env: Mapping[str, str], public_url: str) -> str:
    value = env.get("EWASTE_MAIL_FROM", f"Clearhand <post@{urlsplit(public_url).hostname}>")
    address = parseaddr(value)[1]
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,255}", address) or not value.isprintable():
        raise ConfigError(f"EWASTE_MAIL_FROM is {value!r}. Write it as Name <post@market.example>.")
    return value


def _imprint(env: Mapping[str, str]) -> tuple[str, ...]:
    lines = tuple(line.strip() for line in env.get("EWASTE_IMPRINT", "").split(";") if line.strip())
    if len(lines) > 20 or any(len(line) > 200 or not line.isprintable() for line in lines):
        raise ConfigError(
            "EWASTE_IMPRINT has more than 20 lines, or one of more than 200 letters. Write it as Market GmbH; Weg 1; "
            "50667 Köln."
        )
    return lines


def _check_mail(config: Config) -> None:
    if config.mode == "live" and config.given_smtp_url is None:
        raise ConfigError(
            "EWASTE_MODE is live, so EWASTE_SMTP_URL must name a mail server: "
            "the practice mailbox is for training only."
        )
    if config.practice_mail_port in (config.port, config.practice_port):
        raise ConfigError(f"PRACTICE_MAIL_PORT {config.practice_mail_port} is taken by PORT or PRACTICE_PORT.")


def _http_url(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        right = False
    if not right:
        raise ConfigError(f"{name} is {value!r}. Set it to an address such as https://market.example.")
    return value


def _database_url(env: Mapping[str, str], name: str) -> str | None:
    """The URL in SQLAlchemy's form, with psycopg named as the driver. People write it in three ways."""
    value = env.get(name)
    if value is None:
        return None
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        # The value is not repeated: it may hold a password.
        raise ConfigError(
            f"{name} does not name a PostgreSQL. Write it as postgresql://user:password@host:5432/database."
        )
    return f"postgresql+psycopg://{rest}"


def _check_practice(env: Mapping[str, str], mode: Mode) -> None:
    named = sorted(name for name in env if name in ("PRACTICE_PORT", "PRACTICE_MAIL_PORT", "PRACTICE_URL"))
    if mode == "live" and named:
        raise ConfigError(f"EWASTE_MODE is live, and {named[0]} is set: practice is for training only. Unset it.")


def _check_stripe(config: Config) -> None:
    key, secret = config.stripe_api_key, config.stripe_webhook_secret
    if key is None:
        if config.mode == "live":
            raise ConfigError(
                "EWASTE_MODE is live, so STRIPE_API_KEY must be set: practice money is for training only."
            )
        if secret is not None:
            raise ConfigError("STRIPE_WEBHOOK_SECRET is set, but STRIPE_API_KEY is not. Set both, or neither.")
        return
    if secret is None:
        raise ConfigError(
            "STRIPE_API_KEY is set, but STRIPE_WEBHOOK_SECRET is not. Copy the signing secret of the webhook endpoint "
            "from Stripe."
        )
    live_key = key.startswith(("sk_live_", "rk_live_"))
    if not live_key and not key.startswith(("sk_test_", "rk_test_")):
        raise ConfigError(
            "STRIPE_API_KEY is not a secret key of Stripe: those begin with sk_test_, rk_test_, sk_live_ or rk_live_."
        )
    if live_key != (config.mode == "live"):
        wanted = "a live key (sk_live_…)" if config.mode == "live" else "a test key (sk_test_…)"
        raise ConfigError(f"STRIPE_API_KEY does not fit EWASTE_MODE={config.mode}: set {wanted}.")


def _check_secret_key(config: Config) -> None:
    key = config.given_secret_key
    if key is not None and len(key) < MINIMUM_SECRET_LENGTH:
        raise ConfigError(
            f"EWASTE_SECRET_KEY is shorter than {MINIMUM_SECRET_LENGTH} characters. Take a longer random text."
        )


def _write_once(path: Path, text: str) -> None:
    """Write a private file that never shows half-written; when two processes race, the first one's stays."""
    # mkstemp gives mode 0600, and link refuses to replace what is there.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
