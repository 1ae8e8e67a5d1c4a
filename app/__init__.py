"""The web face of Flex; `create_app` is its table of contents."""

from __future__ import annotations

from flask import Flask

from app import access, api, auth, correlation, cors, errors, extensions, headers, mutation, rules, unread
from app.stream import turnstile
from models.settings import Settings, get_settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return the app. Raises `SettingsError` when the environment holds what it cannot serve with."""
    settings = settings or get_settings()
    app = Flask(__name__, static_folder=None)
    documented = extensions.init_app(app, settings)
    errors.init_app(app)
    correlation.init_app(app)
    access.init_app(app)
    cors.init_app(app, settings.cors_allow_origins)
    auth.init_app(app, settings)
    turnstile.init_app(app)
    api.init_app(app, documented)
    headers.init_app(app)
    mutation.init_app(app)
    unread.init_app(app)
    rules.check_complete(app)
    return app
