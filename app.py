"""Starts the marketplace: `gunicorn app:app`, with gunicorn.conf.py. For everything around it, `make run`."""

import os

from ewaste.core.config import Config
from ewaste.web import create_app

app = create_app(Config.from_env(os.environ))
