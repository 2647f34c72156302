"""The site as its operator sees it."""

from __future__ import annotations

from tests.web.visitors import cora, provider_url, real_site, stranger, visitor  # noqa: F401 - fixtures
