"""What is deployed: units that parse and are closed, a proxy that passes on what the site believes, images without
surprises, and roles that fit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from ewaste.core import embedded
from ewaste.core.config import SETTINGS, Config
from ewaste.devices import photographs
from ewaste.migrations.upgrade import migrate
from ewaste.operate import doctor, place
from ewaste.web import LARGEST_REQUEST
from tests.conftest import NOW

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service")) + sorted((DEPLOY / "systemd").glob("*.timer"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
CLOSED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
    "User": "clearhand",
    "StateDirectoryMode": "0700",
}

# The signer of the log has a user of its own and no network.
APART = {"User": "clearhand-signer", "RestrictAddressFamilies": "AF_UNIX", "PrivateNetwork": "yes"}


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Section → name → values. Raises for a line that is none."""
    sections: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] | None = None
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            current = sections.setdefault(header[1], {})
            continue
        name, equals, value = line.partition("=")
        assert current is not None, line
        assert equals, line
        assert re.fullmatch(r"[A-Z]\w+", name), line
        current.setdefault(name, []).append(value)
    return sections


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_unit_parses_and_says_what_it_is(path: Path) -> None:
    sections = unit(path)
    assert sections["Unit"]["Description"][0].startswith("Clearhand: ")
    assert path.read_text().startswith("# ")
    assert set(sections) <= {"Unit", "Service", "Timer", "Install"}


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_every_service_has_what_it_needs_and_no_more(path: Path) -> None:
    service = unit(path)["Service"]
    closed = CLOSED | (APART if path.name == "clearhand-signer.service" else {})
    assert {name: service[name][0] for name in closed} == closed
    names = {name for line in service["Environment"] for name in re.findall(r"(\w+)=", line)}
    assert names - {"PROMETHEUS_MULTIPROC_DIR", "PYTHONDONTWRITEBYTECODE"} <= {setting.name for setting in SETTINGS}


def test_only_migrations_and_backups_learn_the_owners_address() -> None:
    owners = {path.name for path in SERVICES if "/etc/clearhand/owner" in unit(path)["Service"]["EnvironmentFile"]}
    assert owners == {"clearhand-migrate.service", "clearhand-backup.service"}


def test_only_the_worker_learns_where_the_signer_listens_and_nobody_but_the_signer_enters_its_folders() -> None:
    services = {path.name: unit(path)["Service"] for path in SERVICES}
    reaches = {name for name, service in services.items() if "clearhand-signer" in str(service)}
    assert reaches == {"clearhand-signer.service", "clearhand-worker.service"}
    worker, signer = services["clearhand-worker.service"], services["clearhand-signer.service"]
    assert worker["SupplementaryGroups"] == ["clearhand-signer"]
    assert "-/etc/clearhand/worker" in worker["EnvironmentFile"]
    assert (signer["StateDirectoryMode"], signer["RuntimeDirectoryMode"]) == (["0700"], ["0710"])
    told = (DEPLOY / "systemd" / "worker.example").read_text().splitlines()[-1]
    assert told == "EWASTE_LOG_SIGNER=/run/clearhand-signer/socket"
    assert "--socket /run/clearhand-signer/socket " in signer["ExecStart"][0]
    assert "EWASTE_LOG_SIGNER" not in (DEPLOY / "systemd" / "environment.example").read_text()


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_what_a_unit_starts_is_there(path: Path) -> None:
    command = unit(path)["Service"]["ExecStart"][0]
    for module in re.findall(r"-m (\S+)", command):
        __import__(module)
    if "gunicorn" in command:
        assert (ROOT / "gunicorn.conf.py").is_file()
        assert "-c /usr/lib/clearhand/gunicorn.conf.py" in command
    else:
        assert re.search(r"-m ewaste(\.worker|\.signer serve| migrate| backup| audit)", command)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd; the structure is tested above"
)
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for path in UNITS:  # It looks for the programs, too; here true stands for each.
        text = re.sub(r"/usr/lib/clearhand/\.venv/bin/\w+", shutil.which("true") or "/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "clearhand" in line]
    assert ours == []


def test_the_example_of_a_live_environment_can_be_used() -> None:
    lines = (DEPLOY / "systemd" / "environment.example").read_text().splitlines()
    owner = (DEPLOY / "systemd" / "owner.example").read_text().splitlines()
    env = dict(line.split("=", 1) for line in [*lines, *owner] if line and not line.startswith("#"))
    assert set(env) <= {setting.name for setting in SETTINGS}
    config = Config.from_env(env)
    assert (config.mode, config.practice, config.trusted_proxies) == ("live", False, 1)
    assert (str(config.data), config.backup_days) == ("/var/lib/clearhand", 30)


def nginx() -> list[Any]:
    """The configuration as nested lists: a directive is its words, a block its words and then its content."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", (DEPLOY / "nginx.conf").read_text())
    words = re.findall(r"\"[^\"]*\"|'[^']*'|[{};]|[^\s{};]+", text)
    stack: list[list[Any]] = [[]]
    current: list[Any] = []
    for word in words:
        if word == ";":
            assert current, "a directive without words"
            stack[-1].append(current)
            current = []
        elif word == "{":
            block: list[Any] = []
            stack[-1].append([*current, block])
            stack.append(block)
            current = []
        elif word == "}":
            assert not current, current
            stack.pop()
        else:
            current.append(word)
    assert len(stack) == 1, "a brace is missing"
    assert not current
    return stack[0]


def blocks(where: list[Any], *words: str) -> list[list[Any]]:
    return [each[-1] for each in where if isinstance(each[-1], list) and each[: len(words)] == list(words)]


def said(where: list[Any], *words: str) -> list[list[str]]:
    return [each for each in where if each[: len(words)] == list(words)]


def test_the_proxy_passes_on_what_the_site_believes_and_nothing_a_visitor_says_of_themselves() -> None:
    secure = blocks(nginx(), "server")[1]
    headers = {each[1]: each[2] for each in said(secure, "proxy_set_header")}
    assert headers == {
        "Connection": '""',
        "Host": "$host",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Request-Id": "$request_id",
    }
    # A location that set a header of its own would lose all of these.
    assert not [each for place in blocks(secure, "location") for each in said(place, "proxy_set_header")]
    assert said(blocks(nginx(), "upstream", "clearhand")[0], "server")[0][1] == "127.0.0.1:8000"


def test_the_proxy_speaks_tls_only_and_writes_no_address_and_no_path() -> None:
    plain, secure = blocks(nginx(), "server")
    assert said(blocks(plain, "location", "/")[0], "return")[0][1] == "308"
    assert said(secure, "ssl_protocols")[0][1:] == ["TLSv1.2", "TLSv1.3"]
    variables = re.findall(r"\$(\w+)", " ".join(said(nginx(), "log_format", "clearhand")[0]))
    assert not {"remote_addr", "request", "request_uri", "uri", "args", "http_referer", "http_user_agent"} & set(
        variables
    )
    assert said(secure, "access_log")[0][2] == "clearhand"


def test_the_proxy_lets_through_what_the_site_takes_and_keeps_probes_to_the_machine() -> None:
    secure = blocks(nginx(), "server")[1]
    size = said(secure, "client_max_body_size")[0][1]
    largest = max(LARGEST_REQUEST, photographs.MOST_AT_ONCE * photographs.LARGEST_FILE + 512 * 1024)
    assert int(size.removesuffix("m")) * 1024 * 1024 > largest
    assert said(blocks(secure, "location", "=", "/metrics")[0], "deny")[0][1] == "all"
    assert said(blocks(secure, "location", "=", "/readyz")[0], "deny")[-1][1] == "all"
    read = said(secure, "proxy_read_timeout")[0][1]
    assert int(read.removesuffix("s")) > gunicorn_settings()["timeout"]


@pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx; the structure is tested above")
def test_nginx_finds_nothing_wrong_with_its_configuration(tmp_path: Path) -> None:
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=market.example"]
    subprocess.run([*key, "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem"], check=True, capture_output=True)
    text = (DEPLOY / "nginx.conf").read_text()
    text = text.replace("/etc/ssl/clearhand/fullchain.pem", str(tmp_path / "c.pem"))
    text = text.replace("/etc/ssl/clearhand/privkey.pem", str(tmp_path / "k.pem")).replace(
        "/var/log/nginx", str(tmp_path)
    )
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    command = ["nginx", "-t", "-c", str(whole), "-e", str(tmp_path / "error.log")]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def gunicorn_settings() -> dict[str, Any]:
    code = "import json, runpy; s = runpy.run_path('gunicorn.conf.py'); "
    code += "print(json.dumps({k: v for k, v in s.items() if isinstance(v, (int, str, type(None))) and k[0] != '_'}))"
    import json

    env = {name: value for name, value in os.environ.items() if not name.startswith(("EWASTE_", "PROMETHEUS"))}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_gunicorn_bounds_what_it_serves() -> None:
    found = gunicorn_settings()
    assert found["bind"] == "127.0.0.1:8000"
    assert (found["workers"], found["threads"], found["worker_class"]) == (2, 8, "gthread")
    assert found["timeout"] > found["graceful_timeout"] > 0
    assert found["max_requests"] > found["max_requests_jitter"] > 0
    assert found["accesslog"] is None


def test_the_image_holds_what_the_program_needs_and_runs_without_rights() -> None:
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(" ", 1) for line in lines if line and not line.startswith("#")]
    assert [rest for word, rest in steps if word == "FROM"] == ["python:3.11-slim"]
    assert [rest for word, rest in steps if word == "USER"] == ["clearhand"]
    copied = {name for word, rest in steps if word == "COPY" for name in rest.split()[:-1]}
    assert {"requirements.txt", "app.py", "gunicorn.conf.py", "ewaste", "wipe_agent", "templates", "static"} <= copied
    for name in copied:
        assert (ROOT / name).exists(), name
    assert "--require-hashes" in " ".join(rest for word, rest in steps if word == "RUN")
    names = {name for word, rest in steps if word == "ENV" for name in re.findall(r"(\w+)=", rest)}
    assert {name for name in names if name.startswith("EWASTE_")} <= {setting.name for setting in SETTINGS}


def test_the_composition_names_settings_that_there_are_and_keeps_the_owner_from_the_site() -> None:
    whole = yaml.safe_load((DEPLOY / "compose.example.yaml").read_text())
    known = {setting.name for setting in SETTINGS}
    services = whole["services"]
    assert set(services) == {"database", "migrate", "web", "worker", "signer"}
    for name in ("migrate", "web", "worker"):
        assert set(services[name]["environment"]) <= known
        assert ("EWASTE_OWNER_DATABASE_URL" in services[name]["environment"]) is (name == "migrate")
        assert services[name]["read_only"] is True
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    filled = {
        key: value.replace("${STRIPE_API_KEY}", "sk_test_a") for key, value in services["web"]["environment"].items()
    }
    filled |= {
        "STRIPE_WEBHOOK_SECRET": "whsec_a",
        "EWASTE_SMTP_URL": "smtp://mail.example",
        "DATABASE_URL": "postgresql://a@b/c",
        "EWASTE_LOG_KEYS": "",  # before the signer told its key
    }
    assert Config.from_env(filled).training


def test_the_signer_in_containers_is_as_far_from_the_others_as_under_systemd() -> None:
    whole = yaml.safe_load((DEPLOY / "compose.example.yaml").read_text())
    services: dict[str, dict[str, Any]] = whole["services"]
    signer, worker = services["signer"], services["worker"]
    # The command is the unit's, but for the interpreter and the name of the log.
    unit_says = unit(DEPLOY / "systemd" / "clearhand-signer.service")["Service"]["ExecStart"][0].split()
    assert signer["command"][1:-1] == unit_says[1:-1]
    assert (signer["command"][-1], unit_says[-1]) == ("${LOG_ORIGIN:-localhost/log}", "${LOG_ORIGIN}")
    # No network, no settings, nothing of the market's; its key store is nobody else's, its socket the worker's only.
    assert (signer["network_mode"], signer["user"], signer["read_only"]) == ("none", "10002:10002", True)
    assert (signer["cap_drop"], signer["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert not {"environment", "env_file", "ports"} & set(signer)
    holders = {
        volume: {name for name, service in services.items() if f"{volume}:" in str(service.get("volumes"))}
        for volume in ("data", "signer", "signer-socket")
    }
    assert holders["data"] == {"migrate", "web", "worker"}
    assert (holders["signer"], holders["signer-socket"]) == ({"signer"}, {"signer", "worker"})
    assert set(whole["volumes"]) == {"data", "postgres", "signer", "signer-socket"}
    told = {name for name, service in services.items() if "EWASTE_LOG_SIGNER" in service.get("environment", {})}
    assert told == {"worker"}
    assert worker["environment"]["EWASTE_LOG_SIGNER"] == "/run/clearhand-signer/socket"
    assert worker["group_add"] == ["10002"]
    assert worker["depends_on"]["signer"] == {"condition": "service_healthy"}
    assert {name for name, service in services.items() if "group_add" in service} == {"worker"}


def test_the_image_keeps_the_signers_folders_for_its_user() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert "useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin clearhand " in text
    assert "useradd --uid 10002 --no-create-home --shell /usr/sbin/nologin clearhand-signer " in text
    owned = "-o clearhand-signer -g clearhand-signer"
    assert f"install -d -m 0700 {owned} /var/lib/clearhand-signer" in text
    assert f"install -d -m 0710 {owned} /run/clearhand-signer" in text


@pytest.fixture
def administrator(cluster: embedded.Server) -> Callable[[Path], None]:
    """Runs a script as psql does for an administrator."""

    def run(script: Path) -> None:
        psql = (embedded.tools() or Path("/usr/bin")) / "psql"
        variables = {
            "owner": "deploy owner",
            "app": "deploy_app",
            "database": "deploy_market",
            "owner_password": "it's",
            "app_password": 'a"b',
        }
        options = [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
        url = place.conninfo(cluster.admin_url)
        subprocess.run(
            [str(psql), "-X", "-q", *options, "-f", str(script), url], check=True, capture_output=True, text=True
        )

    return run


def test_the_script_makes_roles_with_which_the_doctor_is_content(
    cluster: embedded.Server, administrator: Callable[[Path], None], tmp_path: Path
) -> None:
    try:
        for _ in range(2):
            administrator(DEPLOY / "roles.sql")
        owner, app = cluster.url("deploy_market", "deploy owner"), cluster.url("deploy_market", "deploy_app")
        migrate(owner, app_role="deploy_app", mode="training", did_host="market.test", now=NOW)
        env = {"DATABASE_URL": app, "EWASTE_OWNER_DATABASE_URL": owner, "EWASTE_DATA": str(tmp_path)}
        found = {sign.what: sign.state for sign in doctor.examine(Config.from_env(env))}
        assert (found["roles"], found["market"], found["migrations"]) == ("ok", "ok", "ok")
    finally:
        with psycopg.connect(place.conninfo(cluster.admin_url), autocommit=True) as admin:
            admin.execute("drop database if exists deploy_market with (force)")
            admin.execute('drop role if exists "deploy owner"')
            admin.execute("drop role if exists deploy_app")
