"""Which file system a directory is on, from tables as Linux prints them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.coordination.mounts import file_system_type, network_file_system

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 0:40 / /srv rw,relatime shared:1 master:2 - nfs4 host:/srv rw,vers=4.2
31 30 254:1 / /srv/local rw - xfs /dev/vdb rw
32 22 0:41 / /with\040blank rw propagate_from:2 - cifs //host/share rw
33 22 0:42 / /twice rw - ext4 /dev/vdc rw
34 33 0:43 / /twice rw - fuse.sshfs user@host: rw
35 22 0:44 / /-odd rw - 9p share rw
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/data", "nfs4"),
        ("/srvx", "ext4"),
        ("/srv/local/x", "xfs"),
        ("/with blank/x", "cifs"),
        ("/twice", "fuse.sshfs"),
        ("/-odd/x", "9p"),
    ],
)
def test_the_innermost_and_latest_mount_counts(directory: str, kind: str):
    assert file_system_type(MOUNTS, directory) == kind


def test_only_network_types_are_told(tmp_path: Path):
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert network_file_system("/srv/data", str(table)) == "nfs4"
    assert network_file_system("/srv/local", str(table)) is None
    assert network_file_system("/usr", str(table)) is None


def test_a_link_is_followed(tmp_path: Path):
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path}/far rw - nfs b rw\n")
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    assert network_file_system(str(tmp_path / "near"), str(table)) == "nfs"


def test_without_a_table_nothing_is_claimed(tmp_path: Path):
    assert network_file_system(str(tmp_path), str(tmp_path / "none")) is None
    (tmp_path / "odd").write_text("\n\ngarbage\n1 2 3\n")
    assert network_file_system(str(tmp_path), str(tmp_path / "odd")) is None


def test_the_disk_of_this_test_is_local(tmp_path: Path):
    assert network_file_system(str(tmp_path)) is None
