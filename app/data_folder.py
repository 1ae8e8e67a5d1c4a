"""The folder in which one machine keeps its embedded servers, logs and state, and the lock that gives it one owner."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from policies.errors import FlexError

LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103


class DataFolderInUseError(FlexError):
    """Another `flex up` owns this data folder; stop it, or choose another one with FLEX_DATA_DIR."""

    code = "data_folder_in_use"


class DataFolder:
    """A data folder. Nothing is made before it is locked or a secret is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def make(self) -> None:
        """Make the folder: ours alone, but a server's account may pass through to its own folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def lock(self) -> None:
        """Own the folder until `release` or the end of the process. Raises `DataFolderInUseError`."""
        self.make()
        lock = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            lock.close()
            raise DataFolderInUseError(
                f"{self.path} is in use by {owner}. Stop that one, or choose another folder with FLEX_DATA_DIR."
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Give the folder up; harmless when it is not owned."""
        if self._lock is not None:
            (self.path / "state.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Tell other processes of this user what runs here and where; replaced as a whole."""
        draft = self.path / "state.json.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        draft.replace(self.path / "state.json")

    def read_state(self) -> dict[str, Any] | None:
        """Return what the running owner told, or None when nobody owns the folder."""
        try:
            state: dict[str, Any] = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
            os.kill(int(state["pid"]), 0)
        except (OSError, ValueError, KeyError):
            return None
        return state

    def secret(self, name: str) -> str:
        """Return the secret of this name, made at random the first time."""
        file = self.path / f"{name}.secret"
        with suppress(FileNotFoundError):
            return file.read_text(encoding="utf-8").strip()
        self.make()
        value = secrets.token_urlsafe(18)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(value)
        return value

    def socket_folder(self, longest_name: str) -> Path:
        """Return a private folder for sockets, short enough for a name of this length.

        A deep data folder gets a short one under the system's temporary folder, remembered in `sockets`.
        """
        near = self.path / "run"
        if len(os.fsencode(near / longest_name)) <= LONGEST_SOCKET_PATH:
            near.mkdir(mode=0o700, exist_ok=True)
            return near
        note = self.path / "sockets"
        with suppress(FileNotFoundError):
            known = Path(note.read_text(encoding="utf-8").strip())
            if known.is_dir() and not known.is_symlink():
                return known
        far = Path(tempfile.mkdtemp(prefix="flex-"))
        note.write_text(str(far) + "\n", encoding="utf-8")
        return far


def choose_data_folder(wanted: Path) -> DataFolder:
    """Return the data folder to use: the wanted one, unless root would have to open somebody's home for it.

    PostgreSQL refuses to run as root, and its own account cannot pass a private folder. Then the data lies in a
    folder named after the wanted path, always the same one.
    """
    if os.geteuid() != 0 or is_passable(wanted):
        return DataFolder(wanted)
    key = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    system = Path("/var/lib")
    base = system if system.is_dir() and is_passable(system) else Path(tempfile.gettempdir())
    return DataFolder(base / f"flex-{key}")


def is_passable(path: Path) -> bool:
    """Tell whether every existing folder above the path can be passed by any account."""
    resolved = path.resolve()
    return all(not folder.exists() or folder.stat().st_mode & stat.S_IXOTH for folder in resolved.parents)
