"""Putting the parts together: the HTTP server, the books and the postman, started and ended in order."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ewaste.practice.api import Keys, api
from ewaste.practice.mailbox import Mailbox, letters
from ewaste.practice.pages import pages
from ewaste.practice.store import Store
from ewaste.practice.webhooks import Postman


class Practice:
    """A running practice provider on 127.0.0.1. Port 0 takes a free one; `url` tells which.

    Raises OSError when the port is taken, and `FolderTakenError` when the folder is.
    """

    def __init__(
        self,
        port: int,
        data: Path,
        *,
        mail_port: int | None = None,
        webhook_url: str | None,
        webhook_secret: str,
        float_amounts: dict[str, int] | None = None,
        funds_after: int = 0,
        first_pause: float = 1.0,
    ) -> None:
        with socket.create_server(("127.0.0.1", port)) as listening:
            self.store = Store(data, funds_after=funds_after)
            self._server: BaseWSGIServer = make_server(
                "127.0.0.1",
                listening.getsockname()[1],
                build(self.store),
                threaded=True,
                request_handler=_Quiet,
                fd=listening.fileno(),  # the server takes a copy of it
            )
        self.url = self.store.base_url = f"http://127.0.0.1:{self._server.port}"
        self._fund(float_amounts or {})
        self._postman = (
            Postman(self.store, webhook_url, webhook_secret, first_pause=first_pause) if webhook_url else None
        )

        self.mailbox = Mailbox(self.store, mail_port) if mail_port is not None else None

    def run(self) -> None:
        """Serves until `stop` is called from another thread."""
        if self._postman:
            self._postman.start()
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()
            if self.mailbox:
                self.mailbox.stop()
            if self._postman:
                self._postman.stop()
            self.store.close()

    def stop(self) -> None:
        """Asks `run` to end; may be called from a signal handler."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()

    def _fund(self, amounts: dict[str, int]) -> None:
        # The float is given once: a restart does not make the platform richer.
        with self.store.open() as books:
            for currency, minor in amounts.items():
                if books.setting(f"float {currency}", "new") == "new":
                    books.db.execute("update settings set value = 'given' where name = ?", (f"float {currency}",))
                    books.move("", currency, minor, "float")


def build(store: Store) -> Flask:
    """The web application over a store."""
    app = Flask(__name__)
    app.config.update(
        STORE=store,
        KEYS=Keys(),
        MAX_CONTENT_LENGTH=64 * 1024,
        # A page of another site that resolves its own name to this machine is not answered.
        TRUSTED_HOSTS=["127.0.0.1", "localhost"],
    )
    app.register_blueprint(api)
    app.register_blueprint(pages)
    app.register_blueprint(letters)
    return app


class _Quiet(WSGIRequestHandler):
    """Connections stay open between requests; a line is logged for errors only."""

    protocol_version = "HTTP/1.1"
    timeout = 75  # an idle connection is given up

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code).startswith("5"):
            logging.getLogger(__name__).error("%s %s", self.requestline, code)
