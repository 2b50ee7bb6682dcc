"""Which file system a directory is on, to tell local disks from network ones (Linux; elsewhere nothing is known)."""

from __future__ import annotations

import os
import re

# fmt: off
NETWORK_TYPES = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.davfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs",
    "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf",
})
# fmt: on
"""As `/proc/self/mountinfo` names them. What is missing here is taken for local."""

MOUNTINFO = "/proc/self/mountinfo"


def network_file_system(directory: str, mountinfo: str = MOUNTINFO) -> str | None:
    """The type of the network file system the directory is on; None for a local one, or where it cannot be told."""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            table = file.read()
    except OSError:
        return None
    kind = file_system_type(table, os.path.realpath(directory))
    return kind if kind in NETWORK_TYPES else None


def file_system_type(mountinfo: str, directory: str) -> str | None:
    """The type of the innermost mount that holds the directory; the last of several on one mount point."""
    best, kind = "", None
    for line in mountinfo.splitlines():
        # "36 35 98:0 /root /mount/point options [tags...] - TYPE source superoptions"
        fields = line.split(" ")
        if "-" not in fields[6:]:
            continue
        point = _unescaped(fields[4])
        inside = directory == point or directory.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[fields.index("-", 6) + 1]
    return kind


def _unescaped(text: str) -> str:
    r"""Blanks, tabs, line ends and backslashes are written as three octal digits (`\040`)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
