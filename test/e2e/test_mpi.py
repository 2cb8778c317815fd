# SPDX-License-Identifier: Apache-2.0
"""One engine run by several processes: the answers of one, each with its own weights; and what happens when one fails."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

import tenon_cli
from stopped_thread import StoppedThread
from tenon_cli import ROOT, WORK, binary, compile_engine, model, run

from oracle_prompts import PROMPTS  # Found through tenon_cli.

ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
SAID = ("yes", "no", "hello", "goodbye", "one", "two", "three", "red", "green", "blue", "cat", "dog", "salt", "sugar", "up", "down", "left", "right")
END_SECONDS = 10  # From a failure to the end of the job.
TWO_HOSTS = ROOT / "test" / "hosts" / "two-hosts"


def need_mpi():
    """Skips where this build or machine has no MPI, or fails under TENON_CI."""
    missing = [what for what, there in (("mpirun", shutil.which("mpirun")),
                                        ("libtenon_mpi.so", (tenon_cli.BUILD / "lib" / "libtenon_mpi.so").exists())) if not there]
    if not missing:
        return
    message = f"no {' and no '.join(missing)} (tools/setup installs Open MPI)"
    if tenon_cli.STRICT:
        raise AssertionError(message)
    raise unittest.SkipTest(message)


def mpirun(ranks, *arguments, options=()):
    """The command of a job in which every rank runs the same."""
    return ["mpirun", "--oversubscribe", "--bind-to", "none", *options, "-n", str(ranks), str(binary("tenon")), *map(str, arguments)]


def job(command, check=True, timeout=300, text=""):
    done = subprocess.run(command, env=ENVIRONMENT, input=text.encode(), capture_output=True, timeout=timeout)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\nended with {done.returncode}\n{out[-2000:]}\n{err[-4000:]}")
    return tenon_cli.Result(done.returncode, out, err)


def ranks_of(launcher):
    """Process ids of a running job by rank."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent = int(status.parent.name), int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == launcher.pid:
                variables = (status.parent / "environ").read_bytes().split(b"\0")
                rank = [v for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
                if rank:
                    found[int(rank[0].split(b"=")[1])] = pid
        except (OSError, IndexError):
            pass  # It has ended.
    return found


def checkTrace(test, report, path, slack=5, travelling=False):
    """Two chips (tp=2 of SmolLM2) in a trace and in the ledger beside it; clocks are `slack` us apart at most. `travelling`: parts of
    a sum are sent while the rest is computed."""
    sums = {}
    for event in json.loads(path.read_text())["traceEvents"]:
        if event["ph"] == "X" and event["cat"] == "collective" and event["args"]["kind"] == "all_reduce":
            sums.setdefault(event["pid"], []).append((event["ts"], event["ts"] + event["dur"]))
    test.assertEqual(set(sums), {0, 1})
    test.assertEqual(len(sums[0]), len(sums[1]))
    # By one clock: a sum ends on neither chip before the other has come to it, or at least is done with the sum before, which parts that
    # travel are computed from.
    first, second = sorted(sums[0]), sorted(sums[1])
    for i, (mine, other) in enumerate(zip(first, second, strict=True)):
        if not travelling:
            test.assertGreaterEqual(min(mine[1], other[1]), max(mine[0], other[0]) - slack)
        elif i:
            test.assertGreaterEqual(min(mine[1], other[1]), max(first[i - 1][1], second[i - 1][1]) - slack)
    for phase in ("prefill", "decode"):
        chips = report["rows"][0]["chips"][phase]
        test.assertEqual([c["chip"] for c in chips], [0, 1])
        for chip in chips:
            times = sum(k["time_us"] + k["barrier_us"] + k["others_us"] for k in chip["kinds"]) + chip["idle_us"]
            test.assertAlmostEqual(times, chip["step_us"], delta=0.02 * chip["step_us"])
            test.assertEqual({k["kind"]: k["launches"] for k in chip["kinds"]}["all_reduce"], 61)


class Running:
    """A job that generates for long enough to be disturbed. Use as a context manager. Answers to one prompt are printed as they come;
    several (`prompts`) at the end, so that their job is known to be at work by its processor time."""

    def __init__(self, engine, ranks, options=(), command=None, prompts=1):
        self.count, self.prompts = ranks, prompts
        command = command or mpirun(ranks, "generate", engine, "--raw", "--prompt", "Once upon a time", "--ignore-eos",
                                    "--max-new-tokens", 8000, options=options)
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        if not (self.process.stdout.read(40) if self.prompts == 1 else self.work()):  # It has begun to answer.
            raise AssertionError(self.process.communicate()[1].decode())
        return self

    def work(self, seconds=2):
        """Waits until every rank has computed for so long; false if the job ends before."""
        while self.process.poll() is None:
            used = [sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) for pid in self.ranks().values()]
            if len(used) == self.count and min(used) > seconds * os.sysconf("SC_CLK_TCK"):
                return True
            time.sleep(0.1)
        return False

    def __exit__(self, *exception):
        if self.process.poll() is None:
            for pid in self.ranks().values():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
        self.process.communicate()

    def ranks(self):
        return ranks_of(self.process)

    def end(self, seconds=END_SECONDS):
        """Waits for the job's end: how long it took, and what was said."""
        began = time.monotonic()
        _, err = self.process.communicate(timeout=seconds + 20)
        return time.monotonic() - began, err.decode("utf-8", "replace")


class ProcessesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        need_mpi()
        cls.checkpoint = model("smollm2")

    def engine(self, grid):
        return compile_engine(self.checkpoint, "--target", "cpu:native", "--sharding", grid)

    def testAnswersAreThoseOfOneProcessToTheBit(self):
        prompts = [word for name in ("story", "fact") for word in ("--prompt", PROMPTS[name])]
        for grid, ranks in (("tp=2", 2), ("pp=2", 2), ("tp=3", 3), ("tp=2,pp=2", 2), ("tp=2,pp=2", 3), ("tp=2,pp=2", 4)):
            with self.subTest(grid=grid, ranks=ranks):
                arguments = ("generate", self.engine(grid), "--raw", "--ignore-eos", "--max-new-tokens", 12, "--logprobs", 2, "--json",
                             *prompts)
                one = run("tenon", *arguments).json()
                many = job(mpirun(ranks, *arguments, "--threads", 1 if ranks == 2 else 2)).out
                self.assertEqual(json.loads(many)["results"], one["results"])

    def testLogitsAreThoseOfOneProcessToTheBit(self):
        text = tenon_cli.ORACLE / "text" / "rabbit-hole.txt"
        for grid in ("tp=2", "pp=2"):
            with self.subTest(grid=grid):
                arguments = ("score", self.engine(grid), "--text", text, "--max-tokens", 64, "--json")
                one = run("tenon", *arguments).json()["logits_xxh3"]
                self.assertEqual(json.loads(job(mpirun(2, *arguments, "--step-tokens", 7)).out)["logits_xxh3"], one)

    def testHalvesAndRowsOfTheirOwnTravel(self):
        text = tenon_cli.ORACLE / "text" / "rabbit-hole.txt"
        engine = compile_engine(self.checkpoint, "--target", "cpu:native", "--sharding", "tp=3", "--collectives", "bf16", "--sequence-parallel", 16)
        arguments = ("score", engine, "--text", text, "--max-tokens", 64, "--step-tokens", 25, "--json")  # 25, 25 and 14 rows
        one = run("tenon", *arguments).json()["logits_xxh3"]
        for ranks in (2, 3):
            self.assertEqual(json.loads(job(mpirun(ranks, *arguments)).out)["logits_xxh3"], one)

    def testRowsThatTravelWhileChipsComputeChangeNoBit(self):
        text = tenon_cli.ORACLE / "text" / "rabbit-hole.txt"
        for name, grid, options in (("smollm2", "tp=2", ()), ("smollm2", "tp=3", ("--collectives", "bf16")), ("smollm2", "tp=2,pp=2", ()),
                                    ("gemma3", "tp=2", ())):
            with self.subTest(model=name, grid=grid):
                shared = ("--target", "cpu:native", "--sharding", grid, "--sequence-parallel", 16, *options)
                engine = compile_engine(model(name), *shared, "--overlap", 20)
                arguments = ("--text", text, "--max-tokens", 128, "--step-tokens", 75, "--max-context", 512, "--json")  # 75 and 53 rows
                one = run("tenon", "score", compile_engine(model(name), *shared, "--overlap", "never"), *arguments).json()["logits_xxh3"]
                # In one process nothing travels.
                self.assertEqual(run("tenon", "score", engine, *arguments).json()["logits_xxh3"], one)
                for ranks, threads in {"tp=2": ((2, 1), (2, 4)), "tp=3": ((2, 5), (3, 1)), "tp=2,pp=2": ((4, 1),)}[grid]:
                    with self.subTest(ranks=ranks, threads=threads):
                        many = json.loads(job(mpirun(ranks, "score", engine, *arguments, "--threads", threads)).out)
                        self.assertEqual(many["logits_xxh3"], one)
                # Steps of fewer rows do as before.
                many = json.loads(job(mpirun(2, "score", engine, *arguments[:5], 19, *arguments[6:])).out)
                self.assertEqual(many["logits_xxh3"], one)

    def testCommandsThatOneProcessDoesAnswerOnce(self):
        engine = self.engine("tp=2")
        for command in (("inspect", engine, "--plan"), ("inspect", engine), ("verify", engine), ("tokenize", engine, "--text", "Hello world")):
            with self.subTest(command=command[0]):
                figure = re.compile(r"\([\d.]+ ms\)|available here.*")  # What differs from run to run.
                one, two = run("tenon", *command).out, job(mpirun(2, *command)).out
                self.assertEqual(figure.sub("", two), figure.sub("", one))
        self.assertEqual(job(mpirun(2, "bench", "chip", "--threads", 1)).out.count("read from memory"), 1)
        refused = job(mpirun(2, "inspect", WORK / "none.tenon"), check=False)
        self.assertEqual((refused.code, refused.err.count("none.tenon")), (3, 1))
        refused = job(mpirun(2, "bench", "serve", "--model", "m", "--port", 1), check=False)
        self.assertEqual((refused.code, refused.err.count("is the server running")), (3, 1))

    def testMicroBatchesAreThoseOfOneProcessToTheBit(self):
        text = tenon_cli.ORACLE / "text" / "rabbit-hole.txt"
        for grid, ranks in (("pp=2", 2), ("tp=2,pp=2", 4)):
            with self.subTest(grid=grid, ranks=ranks):
                arguments = ("score", self.engine(grid), "--text", text, "--max-tokens", 64, "--json")
                one = run("tenon", *arguments).json()["logits_xxh3"]
                self.assertEqual(json.loads(job(mpirun(ranks, *arguments, "--micro-batch", 5)).out)["logits_xxh3"], one)

    def testStepsThatOverlapGiveTheAnswersOfOneChip(self):
        # More sequences than a step of a pipeline takes at once; they end at different times, so that steps change.
        prompts = [word for said in SAID for word in ("--prompt", f"Say {said}.")]
        arguments = ("--max-new-tokens", 40, "--logprobs", 1, "--json", *prompts)
        for grid, ranks in (("pp=2", 2), ("pp=3", 2), ("pp=3", 3), ("tp=2,pp=2", 2)):
            with self.subTest(grid=grid, ranks=ranks):
                engine = self.engine(grid)
                one = run("tenon", "generate", engine, *arguments).json()["results"]
                self.assertGreater(len({len(result["ids"]) for result in one}), 1)
                many = json.loads(job(mpirun(ranks, "generate", engine, *arguments, "--threads", 2 if grid != "pp=2" else 1)).out)
                self.assertEqual(many["results"], one)

    def testEachProcessMapsItsOwnWeightsAlone(self):
        engine = self.engine("tp=2")
        weights = [chip["memory"]["stored_weights"] for chip in run("tenon", "inspect", engine, "--json").json()["chips"]]
        with Running(engine, 2) as running:
            for rank, pid in running.ranks().items():
                mapped = 0
                for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                    if line.endswith(str(engine)):
                        first, last = (int(x, 16) for x in line.split()[0].split("-"))
                        mapped += last - first
                self.assertLessEqual(mapped, engine.stat().st_size - weights[1 - rank] + 4096)
                self.assertGreaterEqual(mapped, weights[rank])

    def testEachProcessReportsItsMemory(self):
        engine = self.engine("tp=2")
        report = job(mpirun(2, "generate", engine, "--raw", "--prompt", "Hello", "--max-new-tokens", 4, "--json", "--max-context", 256)).out
        processes = json.loads(report)["stats"]["processes"]
        whole = run("tenon", "generate", engine, "--raw", "--prompt", "Hello", "--max-new-tokens", 4, "--json",
                    "--max-context", 256).json()["stats"]
        self.assertEqual([p["rank"] for p in processes], [0, 1])
        for p in processes:
            self.assertLess(p["stored_weights_bytes"], 0.75 * whole["planned_bytes"])
            self.assertLess(abs(p["measured_bytes"] - p["planned_bytes"]), 0.01 * p["planned_bytes"] + 16e6)

    def testBenchMeasuresAllProcesses(self):
        report = job(mpirun(2, "bench", self.engine("tp=2"), "--sequences", "1", "--prompt-tokens", 32, "--new-tokens", 8, "--no-limits",
                            "--repeat", 1, "--json")).out
        row = json.loads(report)["rows"][0]
        self.assertGreater(row["decode_tokens_per_second"], 0)
        self.assertEqual(len(row["processes"]), 2)

    def testATraceShowsTheChipsOfAllProcesses(self):
        path = tenon_cli.WORK / "ranks.json"
        report = json.loads(job(mpirun(2, "bench", self.engine("tp=2"), "--prompt-tokens", 16, "--new-tokens", 4, "--no-limits",
                                       "--repeat", 1, "--threads", 1, "--trace", path, "--json")).out)
        checkTrace(self, report, path)

    def testATraceShowsWaitsForRowsThatTravel(self):
        path = tenon_cli.WORK / "travel.json"
        engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "tp=2", "--sequence-parallel", 16, "--overlap", 20)
        report = json.loads(job(mpirun(2, "bench", engine, "--prompt-tokens", 64, "--new-tokens", 4, "--no-limits", "--repeat", 1,
                                       "--threads", 1, "--trace", path, "--json")).out)
        # A sum may end on one chip while the other still computes rows of its own.
        checkTrace(self, report, path, travelling=True)
        # A product is one launch of the ledger and, while rows of others arrive, several stretches of a lane.
        kinds = {k["kind"]: k for k in report["rows"][0]["chips"]["prefill"][0]["kinds"]}
        self.assertEqual(kinds["linear_gate"]["launches"], 30)
        stretches = [e for e in json.loads(path.read_text())["traceEvents"] if e["ph"] == "X" and e["args"].get("kind") == "linear_gate"]
        self.assertGreater(len(stretches), 2 * 30)

    def testCollectivesAreTimedBetweenProcesses(self):
        report = json.loads(job(mpirun(2, "bench", "collectives", "--rows", "1,64", "--hidden", 576, "--seconds", 0.01, "--no-limits",
                                       "--json")).out)
        self.assertEqual((report["chips"], report["processes"]), (2, 2))
        rows = {(r["collective"], r["type"], r["rows"]): r for r in report["collectives"]}
        self.assertEqual(len(rows), 2 * 2 * 6 + 1)
        for (kind, element, count), row in rows.items():
            self.assertEqual(row["backend"], "mpi")
            self.assertEqual(row["bytes"], count * 576 * {"f32": 4, "bf16": 2, "-": 0}[element])
            self.assertTrue(0 < row["latency_us_best"] <= row["latency_us"] <= row["latency_us_p99"], row)
            self.assertAlmostEqual(row["algbw_bytes_per_second"] * row["latency_us"] * 1e-6, row["bytes"], delta=1e-6 * row["bytes"] + 1e-6)
        text = job(mpirun(2, "bench", "collectives", "--chips", 3, "--kinds", "all_reduce", "--rows", 4, "--hidden", 64, "--seconds", 0.01)).out
        self.assertIn("3 chips of 1 worker(s) in 2 processes, mpi collectives", text)
        refused = job(mpirun(3, "bench", "collectives", "--chips", 2, "--no-limits"), check=False, timeout=60)
        self.assertNotEqual(refused.code, 0)
        self.assertIn("--chips 2: there are 3 processes; each needs a chip", refused.err)

    def testGemmaAnswersAsInOneProcess(self):
        engine = compile_engine(model("gemma3"), "--target", "cpu:native", "--sharding", "tp=2")
        arguments = ("generate", engine, "--raw", "--ignore-eos", "--max-new-tokens", 8, "--prompt", PROMPTS["story"], "--logprobs", 2,
                     "--max-context", 512, "--json")
        one = run("tenon", *arguments, "--threads", 2).json()["results"]
        self.assertEqual(json.loads(job(mpirun(2, *arguments, "--threads", 1)).out)["results"], one)

    def testChatListensToRankZero(self):
        said = job(mpirun(2, "chat", self.engine("pp=2"), "--max-new-tokens", 8), text="Say hello.\n/reset\nSay hello.\n/quit\n").out
        alone = run("tenon", "chat", self.engine("pp=2"), "--max-new-tokens", 8, text="Say hello.\n/reset\nSay hello.\n/quit\n").out
        self.assertEqual(said, alone)


class FailureTest(unittest.TestCase):
    """Whatever happens to a process, the job ends soon and says which it was."""

    @classmethod
    def setUpClass(cls):
        need_mpi()
        cls.engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "tp=2")

    def testAKilledRankEndsTheJob(self):
        for options in ((), ("--enable-recovery",)):  # The second leaves it to us to notice.
            for victim in (1, 0):
                with self.subTest(options=options, victim=victim), Running(self.engine, 2, options) as running:
                    os.kill(running.ranks()[victim], signal.SIGKILL)
                    seconds, said = running.end()
                    self.assertLessEqual(seconds, END_SECONDS)
                    self.assertRegex(said, rf"rank {victim}\b")
                    if options:  # mpirun itself then ends with 0.
                        self.assertRegex(said, rf"tenon: rank {victim} \(host ")
                    else:
                        self.assertNotEqual(running.process.returncode, 0)

    def testARankKilledWhileStepsOverlapEndsTheJob(self):
        stages = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "pp=2")
        prompts = [word for i in range(16) for word in ("--prompt", f"Once upon a time there were {i}")]
        for victim in (1, 0):
            command = mpirun(2, "generate", stages, "--raw", "--ignore-eos", "--max-new-tokens", 4000, *prompts, options=("--enable-recovery",))
            with self.subTest(victim=victim), Running(stages, 2, command=command, prompts=16) as running:
                os.kill(running.ranks()[victim], signal.SIGKILL)
                seconds, said = running.end()
                self.assertLessEqual(seconds, END_SECONDS)
                self.assertRegex(said, rf"tenon: rank {victim} \(host ")

    def testARankKilledWhileRowsTravelEndsTheJob(self):
        engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "tp=2", "--sequence-parallel", 2, "--overlap", 2)
        prompts = [word for i in range(16) for word in ("--prompt", f"Once upon a time there were {i}")]  # 16 rows in every step
        for victim in (1, 0):
            command = mpirun(2, "generate", engine, "--raw", "--ignore-eos", "--max-new-tokens", 4000, *prompts, options=("--enable-recovery",))
            with self.subTest(victim=victim), Running(engine, 2, command=command, prompts=16) as running:
                os.kill(running.ranks()[victim], signal.SIGKILL)
                seconds, said = running.end()
                self.assertLessEqual(seconds, END_SECONDS)
                self.assertRegex(said, rf"tenon: rank {victim} \(host ")

    def testAStoppedRankEndsTheJob(self):
        for victim in (1, 0):
            with self.subTest(victim=victim), Running(self.engine, 2) as running:
                pid = running.ranks()[victim]
                os.kill(pid, signal.SIGSTOP)
                seconds, said = running.end()
                self.assertLessEqual(seconds, END_SECONDS)
                self.assertRegex(said, rf"rank {victim} \(host [^,]+, process {pid}\) has not been heard of")

    def testAHungThreadEndsTheJob(self):
        # One worker stands still, in a launch or at a barrier; the process lives, and its monitor still speaks.
        for victim in (1, 0):
            command = mpirun(2, "generate", self.engine, "--raw", "--prompt", "Once upon a time", "--ignore-eos", "--max-new-tokens", 8000,
                             "--threads", 2)
            with self.subTest(victim=victim), Running(self.engine, 2, command=command) as running:
                pid = running.ranks()[victim]
                worker, = (int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text() == "tenon-w1\n")
                with StoppedThread(worker, self):
                    seconds, said = running.end()
                # The timeout of 6 s runs from the last launch; while others wait for a processor, all is slower.
                self.assertLessEqual(seconds, END_SECONDS + 5)
                self.assertRegex(said, rf"rank {victim} \(host [^,]+, process {pid}\) lives and has not finished a launch")

    def testAPausedJobGoesOn(self):
        # Longer than the timeout, but all of it: nobody may be blamed.
        with Running(self.engine, 2) as running:
            pids = running.ranks().values()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(8)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            running.process.stdout.read1()  # What was under way.
            self.assertTrue(running.process.stdout.read(40))
            self.assertIsNone(running.process.poll())

    def testAnotherEngineIsNamed(self):
        other = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "pp=2")
        command = mpirun(1, "generate", self.engine, "--raw", "--prompt", "Hello")
        result = job([*command, ":", "-n", "1", str(binary("tenon")), "generate", str(other), "--raw", "--prompt", "Hello"],
                     check=False, timeout=60)
        self.assertNotEqual(result.code, 0)
        self.assertRegex(result.err, r"rank 1 \(host .*\) has another engine than rank 0")

    def testAnEngineThatIsNotThereIsNamed(self):
        command = mpirun(1, "generate", self.engine, "--raw", "--prompt", "Hello")
        result = job([*command, ":", "-n", "1", str(binary("tenon")), "generate", "nowhere.tenon", "--raw", "--prompt", "Hello"],
                     check=False, timeout=60)
        self.assertNotEqual(result.code, 0)
        self.assertRegex(result.err, r"rank 1 \(host .*\): nowhere\.tenon: cannot open")

    def testMoreProcessesThanChipsAreRefused(self):
        result = job(mpirun(3, "generate", self.engine, "--raw", "--prompt", "Hello"), check=False, timeout=60)
        self.assertNotEqual(result.code, 0)
        self.assertIn("the plan is for 2 chips and 3 processes were started", result.err)

    def testAMistakeOfTheUserEndsTheJobInOrder(self):
        result = job(mpirun(2, "generate", self.engine, "--raw", "--prompt", ""), check=False, timeout=60)
        self.assertNotEqual(result.code, 0)
        self.assertIn("the prompt is empty", result.err)
        self.assertNotIn("rank 1", result.err)


class TwoHostsTest(unittest.TestCase):
    """Two network namespaces with host names of their own, joined by a veth pair."""

    @classmethod
    def setUpClass(cls):
        need_mpi()
        cls.engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "tp=2")

    def hosts(self, *arguments, timeout=120, **how):
        environment = {**ENVIRONMENT, **{f"TENON_HOSTS_{name.upper()}": str(value) for name, value in how.items()}}
        done = subprocess.run([TWO_HOSTS, binary("tenon"), *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, errors="replace")
        if done.returncode == 77:
            self.skipTest(done.stdout.strip().splitlines()[-1])
        return done

    def testTokensAreThoseOfOneProcess(self):
        arguments = ("generate", self.engine, "--raw", "--prompt", PROMPTS["story"], "--ignore-eos", "--max-new-tokens", 16,
                     "--logprobs", 2, "--threads", 1, "--json")
        done = self.hosts(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        report = json.loads(done.stdout)
        self.assertEqual(report["results"], run("tenon", *arguments[:-3], "--json").json()["results"])
        self.assertEqual([p["host"] for p in report["stats"]["processes"]], ["tenon-a", "tenon-b"])

    def testATraceOfHostsWhoseClocksDifferGoesByOne(self):
        path = tenon_cli.WORK / "hosts.json"
        done = self.hosts("bench", self.engine, "--prompt-tokens", 16, "--new-tokens", 4, "--no-limits", "--repeat", 1, "--threads", 1,
                          "--trace", path, "--json", ahead=5000)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        # As far as an exchange over the link can tell, on a machine that does other things too.
        checkTrace(self, json.loads(done.stdout), path, slack=1000)

    def testACutLinkEndsTheJob(self):
        # mpirun may wait for the other host for minutes; the ranks may not.
        done = self.hosts("generate", self.engine, "--raw", "--prompt", "Hello", "--ignore-eos", "--max-new-tokens", 8000,
                          "--threads", 1, cut=4)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ranks left 10 s after the cut: 0", done.stderr)
        self.assertTrue(re.search(r"tenon: rank 1 \(host tenon-b, process \d+\)", done.stderr), done.stderr[-4000:])


if __name__ == "__main__":
    unittest.main()
