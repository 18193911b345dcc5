# SPDX-License-Identifier: Apache-2.0
"""Who may use a bucket, and how: credentials from everywhere, certificates, encryption, and what a refusal says."""
import base64
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

import tap
from s3 import *

OFF = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", "PATH": os.environ["PATH"]}


@pytest.fixture(scope="module")
def ready(gateway, tmp_path_factory):
    """A replica that all tests read."""
    bucket, db = gateway.bucket(), str(tmp_path_factory.mktemp("db") / "a.db")
    c = new_database(db)
    commit(c, 3)
    c.close()
    once(db, gateway.url(bucket))
    return bucket


def look(gateway, bucket, env, ok=True, **query):
    return litestream("ltx", gateway.url(bucket, **query), env={**OFF, **env}, ok=ok)


# ---- credentials ----

def test_none(gateway, ready):
    assert "no credentials: set AWS_ACCESS_KEY_ID" in look(gateway, ready, {}, ok=False).err


@pytest.mark.parametrize("key,secret", [(KEY, "WRONG"), ("NOBODY", SECRET)])
def test_wrong(gateway, ready, key, secret):
    err = look(gateway, ready, {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}, ok=False).err
    assert "credentials" in err and secret not in err


def test_names_of_the_environment(gateway, ready):
    both = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "LITESTREAM_ACCESS_KEY_ID": "OTHER", "LITESTREAM_SECRET_ACCESS_KEY": "OTHER"}
    look(gateway, ready, {"LITESTREAM_ACCESS_KEY_ID": KEY, "LITESTREAM_SECRET_ACCESS_KEY": SECRET})
    assert "differ" in (lambda p: p.out + p.err)(look(gateway, ready, both))


def test_files_and_profiles(gateway, ready, tmp_path):
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(f"# ours\n[default]\naws_access_key_id = NOBODY\naws_secret_access_key = x\n[ours]\naws_access_key_id={KEY}\naws_secret_access_key = {SECRET}\n")
    helper = tmp_path / "helper"
    helper.write_text("#!/bin/sh\n" + "echo '" + json.dumps({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET}) + "'\n")
    helper.chmod(0o755)
    config.write_text(f"[profile made]\ncredential_process = {helper} now\n[profile broken]\ncredential_process = false\n"
                      "[profile sso]\nsso_session = x\n")
    env = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_CONFIG_FILE": str(config)}
    look(gateway, ready, {**env, "AWS_PROFILE": "ours"})
    look(gateway, ready, env, profile="ours")
    look(gateway, ready, {**env, "AWS_PROFILE": "made"})
    look(gateway, ready, env, ok=False)
    assert "credential_process" in look(gateway, ready, {**env, "AWS_PROFILE": "broken"}, ok=False).err
    assert "no profile 'gone'" in look(gateway, ready, {**env, "AWS_PROFILE": "gone"}, ok=False).err
    assert "single sign-on" in look(gateway, ready, {**env, "AWS_PROFILE": "sso"}, ok=False).err


class Hands(http.server.BaseHTTPRequestHandler):
    """The endpoint of a container and the metadata of an instance."""
    asked = []
    answer = json.dumps({"Code": "Success", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": "2099-01-01T00:00:00Z"}).encode()

    def reply(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.asked.append(f"PUT {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.reply(200, b"TOKEN") if self.path == "/latest/api/token" else self.reply(404)

    def do_GET(self):
        self.asked.append(f"GET {self.path}")
        if self.path == "/container":
            return self.reply(200, self.answer) if self.headers.get("Authorization") == "SESAME" else self.reply(403)
        if self.headers.get("X-aws-ec2-metadata-token") != "TOKEN":
            return self.reply(401)
        base = "/latest/meta-data/iam/security-credentials/"
        return self.reply(200, b"role-1") if self.path == base else self.reply(200, self.answer) if self.path == base + "role-1" else self.reply(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def hands():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hands)
    Hands.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_container(gateway, ready, hands, tmp_path):
    token = tmp_path / "token"
    token.write_text("SESAME\n")
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{hands}/container"}
    look(gateway, ready, {**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)})
    look(gateway, ready, {**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "SESAME"})
    assert "container" in look(gateway, ready, env, ok=False).err
    assert "must be https" in look(gateway, ready, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/x"}, ok=False).err


def test_instance(gateway, ready, hands):
    look(gateway, ready, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": hands + "/", "AWS_EC2_METADATA_DISABLED": "false"})
    assert Hands.asked[0] == "PUT /latest/api/token" and len(Hands.asked) == 3


def sts(gateway, **form):
    body = "&".join(f"{k}={urllib.parse.quote(v, safe='~')}" for k, v in sorted({"Version": "2011-06-15", **form}.items())).encode()
    return gateway.request("POST", "/", body=body, service="sts", headers={"Content-Type": "application/x-www-form-urlencoded"})[1].decode()


def test_roles(gateway, ready, tmp_path):
    """Credentials of a role with a session token, from the security token service; without the token they are worth nothing."""
    gateway.admin("caps", "add", "--uid=test", "--caps=roles=*;user-policy=*")
    gateway.admin("user", "create", "--uid=poor", "--display-name=poor", "--access-key=POORKEY", "--secret=POORSECRET")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/poor"]}, "Action": ["sts:AssumeRole"]}]}
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::*"}]}
    sts(gateway, Action="CreateRole", RoleName="reader", Path="/", AssumeRolePolicyDocument=json.dumps(trust))
    sts(gateway, Action="PutRolePolicy", RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(allow))
    config = tmp_path / "config"
    config.write_text("[profile base]\naws_access_key_id = POORKEY\naws_secret_access_key = POORSECRET\n"
                      "[profile role]\nrole_arn = arn:aws:iam:::role/reader\nsource_profile = base\n")
    env = {"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL_STS": gateway.endpoint}
    look(gateway, ready, {**env, "AWS_PROFILE": "role"})
    look(gateway, ready, {**env, "AWS_PROFILE": "base"}, ok=False)


class Issuer(http.server.BaseHTTPRequestHandler):
    """What says whose signature a token has to have."""

    def do_GET(self):
        me = f"http://127.0.0.1:{self.server.server_port}"
        what = {"/.well-known/openid-configuration": {"issuer": me, "jwks_uri": me + "/certs"},
                "/certs": {"keys": [{"kid": "1", "kty": "RSA", "alg": "RS256", "use": "sig", "x5c": [self.server.certificate]}]}}
        body = json.dumps(what[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_web_identity(gateway, ready, tmp_path):
    """A token in a file, as Kubernetes has it, for the keys of a role: the server checks the token's signature."""
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=issuer", "-keyout", tmp_path / "k", "-out", tmp_path / "c")
    der = subprocess.run(["openssl", "x509", "-in", tmp_path / "c", "-outform", "der"], capture_output=True, check=True).stdout
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    server.certificate = base64.b64encode(der).decode()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"127.0.0.1:{server.server_port}"

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    def token(key):
        now = int(time.time())
        text = part(json.dumps({"alg": "RS256", "typ": "JWT", "kid": "1"}).encode()) + b"." + part(json.dumps(
            {"iss": f"http://{name}", "sub": "pod", "aud": "app", "app_id": "app", "iat": now, "exp": now + 3600}).encode())
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text, capture_output=True, check=True).stdout
        return (text + b"." + part(signed)).decode()
    gateway.admin("caps", "add", "--uid=test", "--caps=roles=*;oidc-provider=*")
    sts(gateway, Action="CreateOpenIDConnectProvider", Url=f"http://{name}",
        **{"ThumbprintList.member.1": hashlib.sha1(der).hexdigest().upper(), "ClientIDList.member.1": "app"})
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": [f"arn:aws:iam:::oidc-provider/{name}"]},
                                                     "Action": ["sts:AssumeRoleWithWebIdentity"], "Condition": {"StringEquals": {f"{name}:app_id": "app"}}}]}
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::*"}]}
    sts(gateway, Action="CreateRole", RoleName="pods", Path="/", AssumeRolePolicyDocument=json.dumps(trust))
    sts(gateway, Action="PutRolePolicy", RoleName="pods", PolicyName="p", PolicyDocument=json.dumps(allow))
    where = tmp_path / "token"
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(where), "AWS_ROLE_ARN": "arn:aws:iam:::role/pods", "AWS_ENDPOINT_URL_STS": gateway.endpoint}
    where.write_text(token(tmp_path / "k"))
    look(gateway, ready, env)
    run("openssl", "genrsa", "-out", tmp_path / "other", "2048")
    where.write_text(token(tmp_path / "other"))
    err = look(gateway, ready, env, ok=False).err
    assert "web identity" in err.lower() and where.read_text()[:40] not in err, err
    server.shutdown()


def test_a_reader_reads(gateway, shm):
    """Who may only read can restore and mount; who replicates is told which permission is missing."""
    gateway.admin("user", "create", "--uid=reader", "--display-name=reader", "--access-key=READKEY", "--secret=READSECRET")
    bucket, db = gateway.bucket(), os.path.join(shm, "a.db")
    new_database(db).close()
    once(db, gateway.url(bucket))
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]},
              "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}
    gateway.request("PUT", f"/{bucket}", {"policy": ""}, json.dumps(policy).encode())
    env = {**OFF, "AWS_ACCESS_KEY_ID": "READKEY", "AWS_SECRET_ACCESS_KEY": "READSECRET"}
    litestream("restore", "-o", os.path.join(shm, "out.db"), gateway.url(bucket), env=env)
    litestream("verify", gateway.url(bucket), env=env)
    litestream("points", gateway.url(bucket), env=env)
    other = os.path.join(shm, "b.db")
    new_database(other).close()
    p = litestream("replicate", "-once", other, gateway.url(bucket, "elsewhere"), env=env, ok=False, timeout=60)
    assert "allow s3:PutObject" in p.out + p.err


# ---- what goes wrong ----

def test_no_bucket(gateway, shm):
    db = os.path.join(shm, "a.db")
    new_database(db).close()
    for p in (litestream("restore", "-o", os.path.join(shm, "o"), gateway.url("no-such-bucket"), ok=False),
              litestream("replicate", "-once", db, gateway.url("no-such-bucket"), ok=False, timeout=60)):
        assert "there is no such bucket" in p.out + p.err


def test_nothing_is_there(gateway, bucket, shm):
    assert "no matching backup files" in litestream("restore", "-o", os.path.join(shm, "o"), gateway.url(bucket, "nothing"), ok=False).err


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A server in another region, with another clock. It has no objects."""
    protocol_version = "HTTP/1.1"
    asked = []

    def error(self, status, code, more=""):
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message>{more}</Error>")

    def answer(self, status, text):
        self.send_response_only(status)
        self.send_header("Date", "Tue, 01 Jan 2030 00:00:00 GMT")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.asked.append(self.path)
        if "/eu-west-9/s3/" not in self.headers["Authorization"]:
            return self.error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-9</Region>")
        if not self.headers["x-amz-date"].startswith("2030"):
            return self.error(403, "RequestTimeTooSkewed")
        return self.answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    def log_message(self, *_):
        pass


def test_another_region_and_another_clock(shm):
    """Both are mended at once, and remembered; a region that the user gave is not changed."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {**OFF, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    u = f"s3://b/p?endpoint=http://127.0.0.1:{server.server_port}"
    assert "no matching backup files" in litestream("restore", "-o", os.path.join(shm, "o"), u, env=env, ok=False).err
    assert len(Elsewhere.asked) <= 3 + 2 * 2, Elsewhere.asked
    err = litestream("restore", "-o", os.path.join(shm, "o"), u + "&region=us-west-1", env=env, ok=False).err
    assert "another region" in err and "set region" in err, err
    server.shutdown()


# ---- secrets ----

def test_no_secret_is_seen(gateway, bucket, shm):
    db, conf = os.path.join(shm, "a.db"), os.path.join(shm, "c.yml")
    new_database(db).close()
    open(conf, "w").write(f"logging: {{level: debug}}\ndbs:\n- path: {db}\n  replica:\n    type: s3\n    bucket: {bucket}\n    path: p\n    endpoint: {gateway.endpoint}\n"
                          f"    access-key-id: {KEY}\n    secret-access-key: {SECRET}\n")
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    pid = d.p.pid
    assert SECRET.encode() not in open(f"/proc/{pid}/cmdline", "rb").read()
    if not SANITIZED:
        # No dump, no debugger of the same user: its memory belongs to root now, whoever runs it.
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    d.stop()
    text = d.text()
    assert SECRET not in text and "Signature" not in text


# ---- certificates and encryption ----

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority, a server's certificate for this host and one for another."""
    d = tmp_path_factory.mktemp("ca")

    def openssl(*args):
        run("openssl", *args, cwd=d)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=Test CA",
            "-keyout", "ca.key", "-out", "ca.pem", "-addext", "basicConstraints=critical,CA:TRUE")
    for name, names in (("server", "DNS:localhost,DNS:*.localhost,IP:127.0.0.1"), ("wrong", "DNS:wrong.example")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (d / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return d


@pytest.fixture(scope="module", params=["server", "wrong"])
def tls(request, authority):
    port = free_ports()
    g = Gateway(RGW_TLS_PORT=str(port), RGW_CERT=str(authority / f"{request.param}.pem"), RGW_KEY=str(authority / f"{request.param}.key"))
    g.tls, g.name = f"https://127.0.0.1:{port}", request.param
    yield g
    g.stop()


def test_certificates(gateway, tls, authority, shm):
    bucket, db, out = tls.bucket(), os.path.join(shm, "a.db"), os.path.join(shm, "out.db")
    new_database(db).close()
    env = {**OFF, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    u = tls.url(bucket, endpoint=tls.tls)
    unknown = litestream("ltx", u, env=env, ok=False, timeout=60).err
    assert "certificate" in unknown and "ca-file" in unknown, unknown
    known = {**env, "AWS_CA_BUNDLE": str(authority / "ca.pem")}
    if tls.name == "wrong":
        assert "certificate" in litestream("ltx", u, env=known, ok=False, timeout=60).err
        p = litestream("ltx", u + "&skipVerify=true", env=env)
        assert "certificates are not verified" in p.out + p.err
        return
    litestream("replicate", "-once", db, u, env=known)
    litestream("restore", "-o", out, u, env=known)
    litestream("replicate", "-once", db, tls.url(bucket, endpoint=tls.tls, signPayload="false", **{"ca-file": str(authority / "ca.pem")}), env=env)
    assert "certificate authorities /no/such" in litestream("ltx", tls.url(bucket, endpoint=tls.tls, **{"ca-file": "/no/such"}), env=env, ok=False).err


def test_http2(gateway, authority, bucket, shm):
    """Where the server offers it; several requests at a time, a large upload in parts, a mount."""
    port, where = free_ports(), os.path.join(shm, "h2")
    server = os.path.join(TOP_SRCDIR, "tests", "servers", "h2")
    run(server, "up", where, port, gateway.port, authority / "server.pem", authority / "server.key")
    try:
        env = {**OFF, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CA_BUNDLE": str(authority / "ca.pem")}
        db, out, u = os.path.join(shm, "a.db"), os.path.join(shm, "out.db"), gateway.url(bucket, endpoint=f"https://localhost:{port}", forcePathStyle="true")
        c = new_database(db)
        commit(c, 4, size=3000000)
        c.close()
        for _ in range(3):
            litestream("replicate", "-once", db, u, env=env)
        litestream("restore", "-o", out, u, env=env)
        assert check_state(out) == 4
        seen = open(f"{where}/access.log").read()
        assert "HTTP/2.0 PUT 200" in seen and "HTTP/2.0 POST 200" in seen and "HTTP/2.0 GET 206" in seen
        assert "HTTP/1.1 PUT" not in seen and "HTTP/1.1 GET 206" not in seen
    finally:
        run(server, "down", where)


def test_customer_key(gateway, bucket, shm):
    db, out = os.path.join(shm, "a.db"), os.path.join(shm, "out.db")
    c = new_database(db)
    commit(c, 3, size=3000000)
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    once(db, gateway.url(bucket, sseCustomerKey=key, partSize="5242880"))
    restore(gateway.url(bucket, sseCustomerKey=key), out)
    assert check_state(out) == 3
    os.unlink(out)
    p = litestream("restore", "-o", out, gateway.url(bucket), ok=False)
    assert key not in p.out + p.err
    c.close()


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
