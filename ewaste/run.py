"""`make run`: the whole marketplace on this machine, from the database to the pages.

In order: the embedded PostgreSQL (unless DATABASE_URL names one), migrations, what a market needs to begin with, the
practice payments server (unless STRIPE_API_KEY is set), the signer of the log, the pages, the worker; then, once, the
sample market is filled.
Ctrl-C stops them in the reverse order.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ewaste.core import embedded
from ewaste.core.config import LOG_KEY_FILE, Config, ConfigError
from ewaste.core.embedded import EmbeddedError, Server
from ewaste.core.supervisor import Failed, Program, Supervisor

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
WEBHOOK_PATH = "/webhooks/stripe"
OWNER_ONLY = "EWASTE_OWNER_DATABASE_URL"
SIGNER_ONLY = "EWASTE_LOG_SIGNER"
SIGNER = "signer"


def main() -> int:
    """Run until a signal comes. The exit code is 0 after Ctrl-C, 1 when something did not come up, 2 for a setting."""
    # Until the supervisor listens to signals itself, a polite end is an end in order, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        config = Config.from_env(os.environ)
        check_ports(config)
        with _database(config) as server:
            return _run(config, server)
    except ConfigError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 2
    except EmbeddedError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def check_ports(config: Config) -> None:
    """Raises ConfigError naming the port that another program holds, before anything is started."""
    wanted = {"PORT": config.port}
    if runs_practice(config):
        wanted |= {"PRACTICE_PORT": config.practice_port, "PRACTICE_MAIL_PORT": config.practice_mail_port}
    for name, port in wanted.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As the servers do: a connection of the last run that is still closing is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise ConfigError(
                    f"Port {port} on {HOST} cannot be used ({error.strerror}); another program may hold it. "
                    f"Stop that program, or choose another port: {name}={port + 1} make run"
                ) from error


def runs_practice(config: Config) -> bool:
    """Whether a practice server is to be started here: for practice money, or for the practice mailbox."""
    return (config.practice or config.practice_mail) and not config.practice_elsewhere


def programs(config: Config) -> list[Program]:
    """What keeps running, in the order of starting."""
    python = sys.executable
    web = Program(
        "web",
        [python, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py")],
        ready=lambda: answers(config.port, "/readyz"),
    )  # fmt: skip
    # The worker alone gets to know where the signer listens, and nobody but the signer where its key lies.
    place = config.log_signer or config.data / SIGNER / "socket"
    worker = Program("worker", [python, "-m", "ewaste.worker"], environment={SIGNER_ONLY: str(place)})
    signer = Program(
        "signer",
        [python, "-m", "ewaste.signer", "serve", "--folder", str(config.data / SIGNER), "--socket", str(place),
         "--public", str(config.data / LOG_KEY_FILE), "--origin", log_origin(config)],
        ready=lambda: (config.data / LOG_KEY_FILE).exists() and place.exists(),
    )  # fmt: skip
    kept = [web, worker] if config.log_signer else [signer, web, worker]
    if not runs_practice(config):
        return kept
    practice = Program(
        "practice",
        [python, "-m", "ewaste.practice", "--port", str(config.practice_port),
         "--mail-port", str(config.practice_mail_port), "--data", str(config.data / "practice"),
         "--webhook-url", f"http://{HOST}:{config.port}{WEBHOOK_PATH}"],
        environment={"STRIPE_WEBHOOK_SECRET": config.payments_webhook_secret},
        ready=lambda: listens(config.practice_port),
    )  # fmt: skip
    return [practice, *kept]


def log_origin(config: Config) -> str:
    """The name of a new log: the site's address without its scheme, and `/log`."""
    return config.public_url.partition("://")[2] + "/log"


def answers(port: int, path: str) -> bool:
    """Whether the site answers 200 there."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _database(config: Config) -> Iterator[Server | None]:
    if config.database_url is not None:
        yield None
        return
    with embedded.start(config.data) as server:
        if not server.owned:
            raise EmbeddedError(
                f"Another program, perhaps another `make run`, works with {config.data}. Stop it, or choose another "
                "folder: EWASTE_DATA=… make run"
            )
        yield server


def _run(config: Config, server: Server | None) -> int:
    environment = dict(os.environ) | {
        "EWASTE_DATA": str(config.data),
        "PORT": str(config.port),
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("EWASTE_LOG", "quiet")  # A terminal shows what to do next, and what went wrong.
    if config.training:
        environment["PRACTICE_PORT"] = str(config.practice_port)
        environment["PRACTICE_MAIL_PORT"] = str(config.practice_mail_port)
    if server is not None:
        environment |= server.environment()
    # Only who migrates gets to know the owner's role; nothing here needs the superuser's.
    owner = {OWNER_ONLY: environment.pop(OWNER_ONLY)} if OWNER_ONLY in environment else {}
    environment.pop("EWASTE_ADMIN_DATABASE_URL", None)
    environment.pop(SIGNER_ONLY, None)
    with Supervisor(environment=environment, json_lines=config.log == "json") as supervisor:
        try:
            supervisor.once(Program("migrate", [sys.executable, "-m", "ewaste", "migrate"], environment=owner))
            if config.sample != "none":
                supervisor.once(Program("seed", [sys.executable, "-m", "ewaste", "seed"]))
            for program in programs(config):
                supervisor.start(program)
            if not supervisor.stopping:
                supervisor.say(_greeting(config, environment))
            if config.sample == "full":
                supervisor.start(Program("sample", [sys.executable, "-m", "ewaste.sample"], ends=True))
        except Failed as error:
            supervisor.say(str(error))
            return 1

        def look() -> None:
            if server is not None and server.revive():
                supervisor.say("the database ended and was started again")

        supervisor.watch(look)
        return 0


def _greeting(config: Config, environment: dict[str, str]) -> str:
    lines = ["", f"The marketplace is at {config.public_url}"]
    if config.training:
        money = "practice money" if config.practice else "Stripe's test money"
        lines.append(f"Training: {money}, sample accounts, training certificates. Nothing here is real.")
        if config.sample == "full":
            lines.append("The sample market is filled while you look on; below it says where to look first.")
        accounts = subprocess.run(
            [sys.executable, "-m", "ewaste", "accounts"], capture_output=True, text=True, check=False, env=environment
        )
        lines += ["", (accounts.stdout or accounts.stderr).rstrip()]
    return "\n".join([*lines, "", "Ctrl-C stops everything."])


if __name__ == "__main__":
    sys.exit(main())
