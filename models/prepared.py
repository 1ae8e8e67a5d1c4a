"""Statements that every node of every run sends: the server plans each once per connection, then only runs it.

Reading and planning such a statement costs the server about as much as running it, and composing it in Python costs
more than both. So they are written out in the driver's own language and prepared at the first use.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import psycopg2
from sqlalchemy import Connection

from models.errors import DatabaseUnavailableError

_PARAMETER = re.compile(r"%\((\w+)\)s")
_KNOWN = "prepared"
"""Where a connection of the driver remembers the names of what has been prepared on it."""


class Prepared:
    """A statement with parameters like `%(run_id)s`, known to a connection under a name of its own."""

    def __init__(self, name: str, text: str) -> None:
        parameters = list(dict.fromkeys(_PARAMETER.findall(text)))
        given = ", ".join(f"%({parameter})s" for parameter in parameters)
        numbered = _PARAMETER.sub(lambda found: f"${parameters.index(found[1]) + 1}", text)
        self._name = f"flex_{name}"
        self._prepare = f"PREPARE {self._name} AS {numbered}"
        self._execute = f"EXECUTE {self._name} ({given})" if given else f"EXECUTE {self._name}"

    def run(self, connection: Connection, **given: Any) -> list[dict[str, Any]]:
        """Send the statement within the connection's transaction; return its rows.

        Raises the driver's errors, and DatabaseUnavailableError when the connection broke.
        """
        pooled = connection.connection
        known: set[str] = pooled.info.setdefault(_KNOWN, set())
        try:
            cursor: Any  # the driver's own, which is more than the library's stubs promise of one
            with closing(pooled.cursor()) as cursor:
                if self._name not in known:
                    cursor.execute(self._prepare)
                    known.add(self._name)
                cursor.execute(self._execute, given)
                if cursor.description is None:
                    return []
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor]
        except psycopg2.Error as error:
            if pooled.dbapi_connection is not None and pooled.dbapi_connection.closed:
                connection.invalidate(error)
                raise DatabaseUnavailableError from error
            raise

    def one(self, connection: Connection, **given: Any) -> dict[str, Any] | None:
        """Send the statement; return its first row, None when it has none."""
        rows = self.run(connection, **given)
        return rows[0] if rows else None
