"""The app that gunicorn serves."""

from app import create_app
from models.settings import get_settings
from models.telemetry import configure_logging

configure_logging(get_settings())
app = create_app()
