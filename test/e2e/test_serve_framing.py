# SPDX-License-Identifier: Apache-2.0
"""Where a request ends: nothing that another server could read differently is taken for two requests, and no line grows."""

import re
import socket
import struct
import threading
import time
import unittest

from serving import Server
from tenon_cli import compile_engine, model

POST = b"POST /v1/completions HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
SECOND = b"GET /second HTTP/1.1\r\nhost: a\r\n\r\n"  # 404 if it is taken for a request.


class FramingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model("smollm2")), "--body-timeout-ms", 5000, "--no-grammar-preparation")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def tearDown(self):
        self.assertEqual(self.server.request("GET", "/health")[0], 200)

    def exchange(self, data):
        """Statuses of all answers, and whether the server closed."""
        with self.server.raw(20) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # Refused before everything was sent.
            said = b""
            try:
                while piece := sock.recv(65536):
                    said += piece
            except ConnectionResetError:
                pass
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", said)]

    def refuses(self, **cases):
        for name, data in cases.items():
            with self.subTest(name):
                self.assertEqual(self.exchange(data + SECOND), [400])

    def testTwoWaysToSayTheLength(self):
        self.refuses(lengthThenChunks=POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                     chunksThenLength=POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
                     otherCodingAndLength=POST + b"transfer-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
                     twoLengths=POST + b"content-length: 2\r\ncontent-length: 40\r\n\r\n{}",
                     oneLengthTwice=POST + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
                     aListOfLengths=POST + b"content-length: 2, 2\r\n\r\n{}",
                     lengthInTheTrailer=CHUNKED + b"2\r\n{}\r\n0\r\ncontent-length: 50\r\n\r\n")

    def testLengthsThatAreNoNumbers(self):
        self.refuses(**{f"length{i}": POST + b"content-length: " + length + b"\r\n\r\n{}" for i, length in
                        enumerate([b"+2", b"-2", b"0x2", b"2.0", b"", b"two", b"99999999999999999999999", b"2 2"])})

    def testTransferEncodings(self):
        self.refuses(**{f"encoding{i}": POST + b"transfer-encoding: " + value + b"\r\n\r\n0\r\n\r\n" for i, value in enumerate(
            [b"gzip", b"xchunked", b"chunkedx", b"chunked, identity", b"gzip, chunked", b"\x0bchunked", b"chunked\r\ntransfer-encoding: chunked",
             b"chunked\r\ntransfer-encoding: identity", b"\"chunked\"", b"chunked;q=1"])},
                     http10=b"POST /v1/completions HTTP/1.0\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")

    def testChunkSizes(self):
        self.refuses(**{f"chunk{i}": CHUNKED + chunks for i, chunks in enumerate(
            [b"0x2\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"+2\r\n{}\r\n0\r\n\r\n", b" 2\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n0\r\n\r\n",
             b"f" * 17 + b"\r\n", b"2\r\n{}0\r\n\r\n", b"1\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n", b"2;\n{}\r\n0\r\n\r\n"])})
        # An extension of modest size is ignored, as it must be; what follows is the next request.
        self.assertEqual(self.exchange(CHUNKED + b"2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n" + SECOND), [400, 404])

    def testLinesAndNames(self):
        get = b"GET /health HTTP/1.1\r\nhost: a\r\n"
        self.refuses(bareLineFeeds=b"GET /health HTTP/1.1\nhost: a\n\n", aBareLineFeed=POST + b"x: a\ncontent-length: 2\r\n\r\n{}",
                     aBareReturn=POST + b"x: a\rcontent-length: 2\r\n\r\n{}", zeroByte=get + b"x: a\0b\r\n\r\n",
                     spaceInName=get + b"x y: a\r\n\r\n", spaceBeforeColon=POST + b"content-length : 2\r\n\r\n{}",
                     noColon=get + b"xy\r\n\r\n", firstLineFolded=b"GET /health HTTP/1.1\r\n x: a\r\nhost: a\r\n\r\n",
                     foldedEncoding=POST + b"transfer-encoding:\r\n gzip\r\n\r\n0\r\n\r\n",
                     noHost=b"GET /health HTTP/1.1\r\n\r\n", twoHosts=get + b"host: b\r\n\r\n",
                     controlInTarget=b"GET /hea\tlth HTTP/1.1\r\nhost: a\r\n\r\n", version=b"GET /health HTTP/2.0\r\nhost: a\r\n\r\n",
                     preface=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        # A folded value is one value (RFC 9112, section 5.2): it does not become a field of its own.
        self.assertEqual(self.exchange(POST + b"x: a\r\n content-length: 40\r\ncontent-length: 2\r\n\r\n{}" + SECOND), [400, 404])

    def testTargetsThatAreNoPaths(self):
        self.refuses(**{f"target{i}": b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n" for i, target in enumerate(
            [b"?", b"?/", b"?x=/health", b"health", b"#/health", b"a:80", b"ftp://a/health", b"http:/health"])})

    def testWhatIsAllowedWorks(self):
        for line in (b"GET http://elsewhere:8000/health HTTP/1.1", b"GET HTTPS://a/health?x HTTP/1.1", b"GET /health? HTTP/1.1"):
            self.assertEqual(self.exchange(line + b"\r\nhost: a\r\n\r\n"), [200], line)
        self.assertEqual(self.exchange(b"GET /health HTTP/1.0\r\n\r\n"), [200])
        # A body where none is wanted is no request; an upgrade is not taken.
        self.assertEqual(self.exchange(b"GET /health HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(SECOND) + SECOND), [200])
        self.assertEqual(self.exchange(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n" + SECOND), [200, 404])
        self.assertEqual(self.exchange(POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n{}"), [100, 400])

    def testManyRequestsInOnePieceAreAnsweredInOrder(self):
        one = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"
        self.assertEqual(self.exchange((one + SECOND) * 100), [200, 404] * 100)

    def testEndlessExtensionsAndTrailersAreCut(self):
        before = self.server.resident()
        socks = []
        for start in (b"2;", b"0\r\nx: ", b"2\r\n{}\r\n0\r\nx") * 4:
            sock = self.server.raw(20)
            sock.settimeout(20)
            socks.append(sock)
            try:
                sock.sendall(CHUNKED + start)
                for _ in range(200):  # 20 MB each, unless it is cut.
                    sock.sendall(b"a" * 100_000)
                    if self.server.resident() - before > 32 << 20:
                        break
            except (BrokenPipeError, ConnectionResetError):
                pass
        self.assertLess(self.server.resident() - before, 16 << 20)
        for sock in socks:
            sock.close()

    def testHeadersOneByteAtATime(self):
        body = b'{"model":"model","prompt":"Hi","max_tokens":1}'
        data = POST + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body
        with self.server.raw() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in data:
                sock.sendall(bytes([byte]))
                time.sleep(0.001)
            self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200 "))

    def testResetsWhileBodiesArrive(self):
        def torment():
            for _ in range(50):
                with self.server.raw() as sock:
                    sock.sendall(CHUNKED + b"ffff\r\n" + b"x" * 1000)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        threads = [threading.Thread(target=torment) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    unittest.main()
