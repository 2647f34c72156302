"""How gunicorn serves the site: `make run`, systemd and the container all start it with this file.

Two processes of eight threads. A process is replaced after some twenty thousand requests, at a time of its own, so that
nothing grows for ever; HUP replaces them all. Requests that run get time to end: half a minute behind a proxy.
"""

import os
import sys
from pathlib import Path

# Started with -c from anywhere, the code beside this file is the code that runs.
ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from ewaste.core import logs  # noqa: E402
from ewaste.core.config import Config  # noqa: E402

site = Config.from_env(os.environ)

wsgi_app = "app:app"
chdir = str(ROOT)
bind = f"[{site.host}]:{site.port}" if ":" in site.host else f"{site.host}:{site.port}"
worker_class = "gthread"
workers = 2
threads = 8
# A request may wait 20 s for a connection and 10 s for a lock before it is told so.
timeout = 60
graceful_timeout = 30
keepalive = 5
max_requests = 20_000
max_requests_jitter = 4_000
# The processes tell that they live by touching a file; on a disk that is busy that may take too long.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn makes it private
limit_request_line = 4_094
limit_request_fields = 64
control_socket_disable = True
accesslog = None  # The site tells of its requests itself, by route and without addresses.
loglevel = "warning"
logconfig_dict = logs.settings(site.log)


# Where the processes count what a monitor reads; set before anything imports the counters.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(site.data / "metrics"))


def on_starting(server):  # noqa: ARG001 - gunicorn's own signature
    """Begin to count anew. A reload by HUP does not come here, and goes on counting."""
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def child_exit(server, worker):  # noqa: ARG001
    """A process ended: what it counted stays, what it alone knew goes."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
