"""Ceph's object gateway, by hand in one folder: the strict, older S3 that universities really run.

One monitor, one memory-backed store, one gateway that speaks http and https. The oddities are explained
where they are set; each of them cost somebody an hour.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from labops.testing.servers import Server, ServerAbsent, free_port, program, wait_until
from labops.testing.servers import answers as port_answers

KEY_ID = "CEPHKEYCEPHKEYCEPHKE"
SECRET = "ceph-secret-ceph-secret-ceph-secret-ceph"

_CONF = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# the gateway asks for secure mode, which no authentication cannot give
ms_mon_client_mode = crc
ms_mon_service_mode = crc
ms_mon_cluster_mode = crc
run_dir = {d}/run
admin_socket = {d}/run/$name.asok
log_file = {d}/run/$name.log
pid_file = {d}/run/$name.pid
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
# without this a manager daemon would be needed
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 500
mon_data_avail_warn = 2
mon_data_avail_crit = 1
[mon.a]
host = localhost
mon_data = {d}/mon
[osd]
osd_data = {d}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
# tcp_nodelay: without it every small answer waits 40 ms
rgw_frontends = beast tcp_nodelay=1 endpoint=127.0.0.1:{http} {tls}
rgw_data = {d}/rgw
rgw_enable_apis = s3, sts, iam, admin
rgw_s3_auth_use_sts = true
rgw_sts_key = abcdefghijklmnop
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 5
"""


@contextlib.contextmanager
def ceph() -> Iterator[tuple[Server, Server]]:
    """One gateway, as two servers: over http, and over https with a certificate of its own authority."""
    for name in ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "openssl"):
        program(name)
    with tempfile.TemporaryDirectory(prefix="ceph") as folder:
        ports = {name: free_port() for name in ("mon1", "mon2", "http", "https")}
        make_certificate(folder)
        files = f"ssl_certificate={folder}/leaf.pem ssl_private_key={folder}/leaf.key"
        tls = f"ssl_endpoint=127.0.0.1:{ports['https']} {files}"
        conf = _CONF.format(d=folder, fsid=uuid.uuid4(), tls=tls, **ports)
        Path(folder, "ceph.conf").write_text(conf, encoding="utf-8")
        try:
            _start(folder, ports)
            plain = Server("ceph", f"http://127.0.0.1:{ports['http']}", KEY_ID, SECRET)
            ca = os.path.join(folder, "ca.pem")
            yield plain, Server("ceph-tls", f"https://127.0.0.1:{ports['https']}", KEY_ID, SECRET, ca)
        finally:
            _stop(folder)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ServerAbsent(f"'{command[0]}' failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def _start(folder: str, ports: dict[str, int]) -> None:
    conf = ("-c", f"{folder}/ceph.conf")
    for name in ("mon", "osd", "run", "rgw"):
        os.mkdir(f"{folder}/{name}")
    osd = str(uuid.uuid4())
    text = Path(folder, "ceph.conf").read_text(encoding="utf-8")
    fsid = text.partition("fsid = ")[2].partition("\n")[0]
    addresses = f"[v2:127.0.0.1:{ports['mon2']},v1:127.0.0.1:{ports['mon1']}]"
    _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", addresses, f"{folder}/monmap")
    _run("ceph-mon", *conf, "--mkfs", "-i", "a", "--monmap", f"{folder}/monmap")
    _run("ceph-mon", *conf, "-i", "a")
    _run("ceph", *conf, "osd", "new", osd)
    _run("ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
    _run("ceph", *conf, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
    _run("ceph-osd", *conf, "-i", "0")
    wait_until(lambda: " 1 up" in _run("ceph", *conf, "osd", "stat"), "the Ceph store")
    # The zone appears with the first user, and only then can the gateway start.
    _run("radosgw-admin", *conf, "user", "create", "--uid=admin", "--display-name=Admin",
         f"--access-key={KEY_ID}", f"--secret-key={SECRET}",
         "--caps=users=*;buckets=*;metadata=*;user-policy=*")  # fmt: skip
    _run("radosgw", *conf, "-n", "client.rgw")
    wait_until(lambda: port_answers(ports["http"]), "the Ceph gateway")


def _stop(folder: str) -> None:
    """End the daemons by the pid files they left, the gateway first."""
    pids = []
    for name in ("client.rgw", "osd.0", "mon.a"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(Path(folder, "run", f"{name}.pid").read_text(encoding="utf-8"))
            os.kill(pid, signal.SIGKILL)
            pids.append(pid)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.02)


def make_certificate(folder: str) -> None:
    """`ca.pem`, and `leaf.pem` + `leaf.key` for localhost signed by it.

    A self-signed certificate would not do: rustls refuses one that is an authority and a server at once.
    """
    ca, leaf = os.path.join(folder, "ca"), os.path.join(folder, "leaf")
    new = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
    _run(*new, "-x509", "-days", "2", "-subj", "/CN=labops test authority", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    _run(*new, "-subj", "/CN=localhost", "-keyout", f"{leaf}.key", "-out", f"{leaf}.csr")
    Path(f"{leaf}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="utf-8")
    _run("openssl", "x509", "-req", "-days", "2", "-in", f"{leaf}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
         "-CAcreateserial", "-extfile", f"{leaf}.ext", "-out", f"{leaf}.pem")  # fmt: skip
