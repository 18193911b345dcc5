# SPDX-License-Identifier: Apache-2.0
"""A Ceph object gateway for tests, and a small client of its own to look behind the program's back."""
import datetime
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

import pytest

from common import *
from proxy import Proxy

RGW = os.path.join(TOP_SRCDIR, "tests", "servers", "rgw")
KEY, SECRET = "TESTKEY", "TESTSECRET"
XMLNS = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def free_ports():
    """Two in a row that nobody listens on."""
    while True:
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            port = a.getsockname()[1]
            try:
                b.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                continue


def sign(method, host, path, query, payload, key=KEY, secret=SECRET, service="s3", region="us-east-1", now=None):
    """Signature Version 4, written from its description: it is the judge of ours, too."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    date, digest = now.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(payload).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": date}
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, query, *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, digest])
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    k = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        k = hmac.new(k, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(k, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers


class Gateway:
    def __init__(self, **env):
        self.dir = tempfile.mkdtemp(prefix="litestream-rgw-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.port = free_ports()
        self.buckets = 0
        run(RGW, "up", self.dir, self.port, env={**os.environ, **env})
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def stop(self):
        run(RGW, "down", self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)

    def admin(self, *args):
        return run("radosgw-admin", "-c", f"{self.dir}/ceph.conf", *args).out

    def request(self, method, path, query=None, body=b"", ok=True, headers=None, **kw):
        path = urllib.parse.quote(path, safe="/~")
        q = "&".join(f"{urllib.parse.quote(k, safe='~')}={urllib.parse.quote(v, safe='~')}" for k, v in sorted((query or {}).items()))
        host = f"127.0.0.1:{self.port}"
        r = urllib.request.Request(f"http://{host}{path}" + ("?" + q if q else ""), method=method, data=body if body or method in ("PUT", "POST") else None,
                                   headers={**sign(method, host, path, q, body, **kw), **(headers or {})})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(r) as a:
                return a.status, a.read()
        except urllib.error.HTTPError as e:
            assert not ok, f"{method} {path}: {e.code} {e.read()}"
            return e.code, e.read()

    def bucket(self, name=None):
        self.buckets += 1
        name = name or f"bucket-{os.getpid()}-{self.buckets}"
        self.request("PUT", f"/{name}")
        return name

    def keys(self, bucket, prefix=""):
        found, after = [], ""
        while True:
            root = ET.fromstring(self.request("GET", f"/{bucket}", {"list-type": "2", "prefix": prefix, "start-after": after})[1])
            page = [c.find(XMLNS + "Key").text for c in root.iter(XMLNS + "Contents")]
            found += page
            if not page or root.find(XMLNS + "IsTruncated").text != "true":
                return found
            after = page[-1]

    def uploads(self, bucket):
        """Uploads in parts that were neither finished nor taken back."""
        return [u.find(XMLNS + "Key").text for u in ET.fromstring(self.request("GET", f"/{bucket}", {"uploads": ""})[1]).iter(XMLNS + "Upload")]

    def url(self, bucket, path="app", endpoint=None, **query):
        return f"s3://{bucket}/{path}?" + urllib.parse.urlencode({"endpoint": endpoint or self.endpoint, **query})


@pytest.fixture(scope="session")
def gateway():
    for name in [n for n in os.environ if n.startswith(("AWS_", "LITESTREAM_")) or n in ("SSL_CERT_FILE", "CURL_CA_BUNDLE")]:
        del os.environ[name]
    os.environ.update(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_EC2_METADATA_DISABLED="true", HOME="/nonexistent")
    g = Gateway()
    yield g
    g.stop()


@pytest.fixture
def bucket(gateway):
    return gateway.bucket()


@pytest.fixture
def proxy(gateway):
    p = Proxy(gateway.port)
    yield p
    p.close()
