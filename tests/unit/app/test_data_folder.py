"""The data folder: one owner, secrets that stay, state that dies with its owner."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app import data_folder as module
from app.data_folder import DataFolder, DataFolderInUseError, choose_data_folder, is_passable


def test_the_second_owner_is_refused_until_the_first_gives_up(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path / "data"), DataFolder(tmp_path / "data")
    first.lock()

    with pytest.raises(DataFolderInUseError, match=rf"process {os.getpid()}, since .* FLEX_DATA_DIR"):
        second.lock()

    first.release()
    second.lock()
    second.release()


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")

    assert folder.secret("flower") == folder.secret("flower")
    assert folder.secret("flower") != folder.secret("valkey")
    assert stat.S_IMODE((folder.path / "flower.secret").stat().st_mode) == 0o600


def test_the_state_of_a_dead_owner_is_no_state(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.read_state() is None

    folder.write_state({"pid": os.getpid(), "webUrl": "http://127.0.0.1:1"})
    assert folder.read_state() == {"pid": os.getpid(), "webUrl": "http://127.0.0.1:1"}
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600

    folder.write_state({"pid": 2**22 + 1})
    assert folder.read_state() is None


def test_a_short_data_folder_keeps_its_sockets_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SOCKET_PATH", 4096)

    assert DataFolder(tmp_path).socket_folder("s") == tmp_path / "run"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps the data elsewhere")
def test_root_keeps_the_data_out_of_a_private_home_in_a_folder_that_it_finds_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    chosen = choose_data_folder(home / ".flex")

    assert chosen.path != home / ".flex"
    assert is_passable(chosen.path)
    assert choose_data_folder(home / ".flex").path == chosen.path
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
