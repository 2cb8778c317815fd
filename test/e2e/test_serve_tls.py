# SPDX-License-Identifier: Apache-2.0
"""HTTPS: the same answers, nothing older than TLS 1.2, certificates that are read again, and clients that stall."""

import http.client
import json
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from serving import Server
from tenon_cli import compile_engine, model, run


def make_certificate(folder, name):
    """Two PEM files of a self-signed certificate for 127.0.0.1."""
    certificate, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


class SecureServer(Server):
    """Trusts what is in the certificate file now."""

    def __init__(self, engine, certificate, key, *options):
        self.certificate = certificate
        super().__init__(engine, "--tls-cert", certificate, "--tls-key", key, *options)

    def trust(self, version=None):
        context = ssl.create_default_context(cafile=str(self.certificate))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(self, timeout=120):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.trust())


@unittest.skipIf(shutil.which("openssl") is None, "no openssl command to make a certificate with")
class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))
        cls.folder = tempfile.TemporaryDirectory()
        cls.certificate, cls.key = make_certificate(cls.folder.name, "first")
        cls.server = SecureServer(cls.engine, cls.certificate, cls.key, "--header-timeout-ms", 5000)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)
        cls.folder.cleanup()

    def testAnswersAreTheSame(self):
        whole = self.server.complete("Once upon a time", max_tokens=24)["choices"][0]["text"]
        events = self.server.stream("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 24, "temperature": 0})
        self.assertEqual("".join(e["choices"][0]["text"] for e in events), whole)
        with Server(self.engine) as plain:
            self.assertEqual(plain.complete("Once upon a time", max_tokens=24)["choices"][0]["text"], whole)

    def testLargeBodiesBothWays(self):
        text = "word " * 100_000
        ids = self.server.post("/tokenize", {"prompt": text})["tokens"]
        self.assertEqual(self.server.post("/detokenize", {"tokens": ids})["prompt"], text)

    def testAConnectionIsKept(self):
        connection = self.server.connect()
        for path, status in (("/health", 200), ("/nowhere", 404), ("/v1/models", 200)):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.status, status)
        connection.close()

    def testVersionsAndProtocols(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = self.server.trust(version)
            context.set_alpn_protocols(["h2", "http/1.1"])
            with context.wrap_socket(self.server.raw(), server_hostname="127.0.0.1") as sock:
                self.assertEqual((sock.version(), sock.selected_alpn_protocol()), (name, "http/1.1"))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        only_h2 = self.server.trust()
        only_h2.set_alpn_protocols(["h2"])
        for context in (old, only_h2):
            with self.assertRaises((ssl.SSLError, ConnectionResetError)), self.server.raw() as sock:
                context.wrap_socket(sock, server_hostname="127.0.0.1")

    def testPlainTextRubbishAndSilenceAreCut(self):
        for data in (b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" + b"\xff" * 300, b"\x16\x03"):
            began = time.monotonic()
            with self.server.raw() as sock:
                sock.sendall(data)
                said = b""
                try:
                    while piece := sock.recv(4096):
                        said += piece
                except ConnectionResetError:
                    pass
            self.assertNotIn(b"HTTP/", said)
            self.assertLess(time.monotonic() - began, 30)
        # Many at once, and one that keeps its handshake open while others are served.
        socks = [self.server.raw() for _ in range(50)]
        self.assertEqual(self.server.request("GET", "/health")[0], 200)
        for sock in socks:
            sock.close()

    def testAClientThatLeavesIsForgotten(self):
        connection = self.server.connect()
        connection.request("POST", "/v1/completions", json.dumps({"model": "model", "prompt": "Once", "max_tokens": 4000, "ignore_eos": True,
                                                                  "stream": True}))
        self.server.wait_running()
        connection.sock.close()
        connection.close()
        self.server.wait_idle()

    def testCertificatesAreReadAgain(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = make_certificate(folder, "first")
            with SecureServer(self.engine, certificate, key) as server:
                kept = server.connect()
                kept.request("GET", "/health")
                kept.getresponse().read()
                before = ssl.get_server_certificate(("127.0.0.1", server.port))

                def changes(what):
                    server.process.send_signal(signal.SIGHUP)
                    deadline = time.monotonic() + 20
                    while what not in server.log.read_text():
                        self.assertLess(time.monotonic(), deadline)
                        time.sleep(0.05)

                good = certificate.read_text(), key.read_text()
                certificate.write_text("no certificate")
                changes("certificate not reloaded")
                self.assertEqual(ssl.get_server_certificate(("127.0.0.1", server.port)), before)
                make_certificate(folder, "second")
                self.assertNotEqual((certificate.read_text(), key.read_text()), good)
                changes("read again")
                self.assertNotEqual(ssl.get_server_certificate(("127.0.0.1", server.port)), before)
                self.assertEqual(server.request("GET", "/health")[0], 200)  # By the new one.
                kept.request("GET", "/health")  # Connections that are open stay.
                self.assertEqual(kept.getresponse().status, 200)
                kept.close()

    def testWrongFilesAreNamed(self):
        with tempfile.TemporaryDirectory() as folder:
            other = make_certificate(folder, "other")
            for options, said in ((["--tls-cert", self.certificate], "go together"),
                                  (["--tls-cert", "/no/such", "--tls-key", self.key], "--tls-cert /no/such"),
                                  (["--tls-cert", self.certificate, "--tls-key", "/no/such"], "--tls-key /no/such"),
                                  (["--tls-cert", self.certificate, "--tls-key", other[1]], "--tls-key")):
                result = run("tenon", "serve", self.engine, "--port", "0", *options, check=False)
                self.assertNotEqual(result.code, 0)
                self.assertIn(said, result.err)


if __name__ == "__main__":
    unittest.main()
