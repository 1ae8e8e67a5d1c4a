"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import IO, Any

import click

from policies.strict_json import StrictJSONError, loads

json_option = click.option("--json", "as_json", is_flag=True, help="JSON on standard output, nothing else.")


class JsonFile(click.File):
    """A file, or `-` for standard input, that must hold JSON."""

    name = "json file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        stream: IO[bytes] = super().convert(value, param, ctx)
        try:
            return loads(stream.read())
        except StrictJSONError as error:
            return self.fail(f"{value}: {error.message}", param, ctx)
