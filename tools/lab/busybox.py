"""The image of the lab: a root file system of the machine's static busybox and its applets."""

import functools
import io
import shutil
import tarfile
from pathlib import Path

from tools.lab.shell import LabError, sh

_FOLDERS = {
    "bin": 0o755,
    "etc": 0o755,
    "root": 0o700,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "var": 0o755,
    "var/www": 0o755,
}
_USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUPS = "root:x:0:\nnogroup:x:65534:\n"
#: A program that needs libraries names its loader (`/lib64/ld-linux-x86-64.so.2`) after its headers.
_LOADER, _HEADERS_BYTES = b"/ld-", 4096


@functools.cache
def busybox_tar() -> bytes:
    """As `POST /images/create?fromSrc=-` takes it.  Raises LabError if there is no static busybox."""
    program = shutil.which("busybox")
    data = Path(program).resolve().read_bytes() if program else b""
    if program is None or _LOADER in data[:_HEADERS_BYTES]:
        raise LabError("no static busybox to make the image of: apt-get install busybox-static")
    applets = sorted(set(sh(program, "--list").split()) - {"busybox"})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder, mode in _FOLDERS.items():
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        _add(tar, "bin/busybox", data, 0o755)
        for applet in applets:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        _add(tar, "etc/passwd", _USERS.encode(), 0o644)
        _add(tar, "etc/group", _GROUPS.encode(), 0o644)
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(data)
    tar.addfile(entry, io.BytesIO(data))
