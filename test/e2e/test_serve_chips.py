# SPDX-License-Identifier: Apache-2.0
"""A server on several chips, of one process and of two: its answers, and how it ends."""

import os
import signal
import threading
import unittest

from serving import Server
from tenon_cli import compile_engine, model, run
from test_mpi import ENVIRONMENT, need_mpi, ranks_of

PROMPTS = ("Once upon a time, in a land far away,", "The capital of France is", "One, two, three,")
LAUNCHER = ("mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2")


class ChipsTest(unittest.TestCase):
    """tp=2 in one process; the next class runs the same tests in two."""

    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "tp=2")

    def serve(self, *options):
        return Server(self.engine, "--threads", 2, *options)

    def asked_to_end(self, server):
        """The process that a signal is sent to."""
        return server.process.pid

    def testAnswersAreThoseOfTheCommandLineAloneAndTogether(self):
        expected = [run("tenon", "generate", self.engine, "--raw", "--prompt", prompt, "--max-new-tokens", 16, "--ignore-eos", "--threads",
                        2, "--json").json()["results"][0]["text"] for prompt in PROMPTS]
        with self.serve() as server:
            answers = [None] * len(PROMPTS)

            def ask(i):
                answers[i] = server.complete(PROMPTS[i], max_tokens=16, ignore_eos=True)["choices"][0]["text"]

            threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(PROMPTS))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(answers, expected)
            self.assertEqual(server.complete(PROMPTS[0], max_tokens=16, ignore_eos=True)["choices"][0]["text"], expected[0])
            server.wait_idle()
            os.kill(self.asked_to_end(server), signal.SIGTERM)
            self.assertEqual(server.process.wait(20), 0, server.log.read_text()[-2000:])

    def testSigtermLetsAnswersEnd(self):
        with self.serve() as server:
            answer = {}
            thread = threading.Thread(target=lambda: answer.update(server.complete(PROMPTS[0], max_tokens=150, ignore_eos=True)))
            thread.start()
            server.wait_running()
            os.kill(self.asked_to_end(server), signal.SIGTERM)
            thread.join()
            self.assertEqual(answer["usage"]["completion_tokens"], 150)
            self.assertEqual(server.process.wait(20), 0, server.log.read_text()[-2000:])


class ProcessesTest(ChipsTest):
    @classmethod
    def setUpClass(cls):
        need_mpi()
        super().setUpClass()

    def serve(self, *options, launcher=LAUNCHER):
        return Server(self.engine, "--threads", 1, *options, launcher=launcher, environment=ENVIRONMENT)

    def asked_to_end(self, server):
        return ranks_of(server.process)[0]

    def testASignalToTheLauncherLetsAnswersEnd(self):
        # mpirun sends the signal to all ranks, kills those that are left after this time, and ends then with a code of its own.
        launcher = (*LAUNCHER[:1], "--mca", "odls_base_sigkill_timeout", "20", *LAUNCHER[1:])
        server = self.serve(launcher=launcher)
        try:
            answer = {}
            thread = threading.Thread(target=lambda: answer.update(server.complete(PROMPTS[0], max_tokens=30, ignore_eos=True)))
            thread.start()
            server.wait_running()
            os.kill(server.process.pid, signal.SIGTERM)
            thread.join()
            self.assertEqual(answer["usage"]["completion_tokens"], 30)
            server.process.wait(40)  # It answers no rank any more, so they leave MPI when it kills them.
            self.assertNotIn("tenon: rank", server.log.read_text())  # Nobody blamed anybody.
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
            server._folder.cleanup()


if __name__ == "__main__":
    unittest.main()
