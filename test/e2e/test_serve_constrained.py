# SPDX-License-Identifier: Apache-2.0
"""Constrained answers: JSON schemas of real APIs, tools, patterns, choices, grammars; and what hostile ones cost.

TENON_CONSTRAINED_LONG=1 asks for every schema, of both models, at three temperatures, runs the heavy hostile ones beside
another client, and 10,000 distinct patterns. By default a part of them is asked for once: a cold schema takes 0.1 to 1 s.
"""

import concurrent.futures
import json
import os
import re
import threading
import time
import unittest

from api_schemas import SCHEMAS
from serving import Server
from tenon_cli import SLOWER, STRICT, compile_engine, model, run

try:
    import jsonschema
except ImportError:
    if STRICT:
        raise
    jsonschema = None
try:
    import openai
except ImportError:
    if STRICT:
        raise
    openai = None

LONG = os.environ.get("TENON_CONSTRAINED_LONG") == "1"


def schema_format(schema, name="answer"):
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


class ConstrainedTest(unittest.TestCase):
    """One server with a small model: it knows little, so only the grammar can make its answers valid."""

    MODEL = "smollm2"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model(cls.MODEL)), "--grammar-timeout-ms", 20000 * SLOWER)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def refused(self, path="/v1/chat/completions", **fields):
        """The error of a request that must be refused."""
        body = {"model": "model", "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi", **fields}
        status, _, answer = self.server.request("POST", path, body)
        self.assertEqual(status, 400, answer)
        return answer["error"]


class PreparationTest(unittest.TestCase):
    """What the first constraint would wait for is made once the server listens, and nobody waits for that."""

    COMPILED = 'tenon:grammars_total{outcome="compiled"}'

    def ask(self, server):
        answer = server.chat("Hi", max_tokens=20, response_format={"type": "json_object"})
        json.loads(answer["choices"][0]["message"]["content"])

    def testTheFirstConstraintFindsItMade(self):
        with Server(compile_engine(model("smollm2"))) as server:
            deadline = time.monotonic() + 60
            while server.metrics()["tenon:grammar_cache_bytes"] == 0:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.ask(server)
            metrics = server.metrics()
            self.assertEqual(metrics[self.COMPILED], 0)
            self.assertEqual(metrics['tenon:grammars_total{outcome="hit"}'], 1)

    def testAServerMayLeaveItToTheFirst(self):
        with Server(compile_engine(model("smollm2")), "--no-grammar-preparation") as server:
            time.sleep(1)
            self.assertEqual(server.metrics()["tenon:grammar_cache_bytes"], 0)
            self.ask(server)
            self.assertEqual(server.metrics()[self.COMPILED], 1)

    def testAServerThatEndsAtOnceDoesNotWaitForIt(self):
        with Server(compile_engine(model("smollm2"))) as server:
            pass
        self.assertEqual(server.process.returncode, 0)


@unittest.skipIf(jsonschema is None, "the package jsonschema is missing (tools/setup installs it)")
class SchemaTest(ConstrainedTest):
    NAMES = list(SCHEMAS) if LONG else [
        "payment_method", "coupon", "tree", "filter", "shape", "animal", "money_or_free", "settings", "matrix", "color", "version", "sentiment"]

    def ask(self, name, temperature, seed):
        answer = self.server.chat(f"Make up a realistic example of: {name.replace('_', ' ')}. Answer with JSON.", seed=seed,
                                  temperature=temperature, max_tokens=700, response_format=schema_format(SCHEMAS[name], name))
        return answer["choices"][0]

    def testAnswersFitTheSchemasOfApis(self):
        jobs = [(name, t, seed) for name in self.NAMES for t, seed in (((0, 1), (0.7, 2), (1.2, 3)) if LONG else ((0.7, 1),))]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            choices = list(pool.map(lambda job: self.ask(*job), jobs))
        for (name, temperature, _), choice in zip(jobs, choices):
            with self.subTest(name, temperature=temperature):
                self.assertEqual(choice["finish_reason"], "stop", choice["message"]["content"][-200:])
                jsonschema.validate(json.loads(choice["message"]["content"]), SCHEMAS[name],
                                    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

    def testAnswersAreWholeWhenTheirTokensRunOut(self):
        """A small model nests these without an end; few tokens are enough for some answer of each."""
        names = list(SCHEMAS) if LONG else ["tree", "linked_list", "comment_thread", "pod", "ui", "user", "matrix"]
        cut = 0
        for name in names:
            for tokens, temperature in ((40, 0), (90, 1), (200, 0)):
                body = {"model": "model", "prompt": f"An example of a {name}, as JSON:", "max_tokens": tokens, "temperature": temperature,
                        "seed": 4, "response_format": schema_format(SCHEMAS[name], name)}
                with self.subTest(name, tokens=tokens):
                    answer = self.server.post("/v1/completions", body)
                    choice = answer["choices"][0]
                    self.assertLessEqual(answer["usage"]["completion_tokens"], tokens)
                    if choice["finish_reason"] == "length":  # The shortest answer is longer.
                        cut += 1
                        self.assertLess(tokens, 200)
                        continue
                    self.assertEqual(choice["finish_reason"], "stop")
                    jsonschema.validate(json.loads(choice["text"]), SCHEMAS[name],
                                        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
                    self.assertEqual(self.server.post("/v1/completions", body)["choices"][0]["text"], choice["text"])
        self.assertLess(cut, len(names))
        # Nothing fits: the beginning of an answer comes.
        choice = self.server.complete("x", max_tokens=3, response_format=schema_format(SCHEMAS["user"]))["choices"][0]
        self.assertEqual(choice["finish_reason"], "length")
        self.assertTrue(choice["text"].startswith("{"))

    def testAnyJsonObject(self):
        choice = self.server.chat("A JSON object with a name and an age.", response_format={"type": "json_object"},
                                  max_tokens=300)["choices"][0]
        self.assertEqual(choice["finish_reason"], "stop")
        self.assertIsInstance(json.loads(choice["message"]["content"]), dict)
        self.assertTrue(choice["message"]["content"].startswith("{"))

    def testStreamsAndChoicesAndNeighboursGiveTheSameAnswers(self):
        body = {"messages": [{"role": "user", "content": "Invent a person."}], "max_tokens": 200, "temperature": 1, "seed": 9,
                "response_format": schema_format(SCHEMAS["user"])}
        whole = self.server.post("/v1/chat/completions", {"model": "model", **body, "n": 3})["choices"]
        self.assertGreater(len({c["message"]["content"] for c in whole}), 1)
        texts = {i: "" for i in range(3)}
        for event in self.server.stream("/v1/chat/completions", {**body, "n": 3}):
            for c in event["choices"]:
                texts[c["index"]] += c["delta"].get("content") or ""
        self.assertEqual([c["message"]["content"] for c in whole], [texts[i] for i in range(3)])
        self.assertEqual(self.server.post("/v1/chat/completions", {"model": "model", **body})["choices"][0]["message"]["content"], texts[0])
        for text in texts.values():
            jsonschema.validate(json.loads(text), SCHEMAS["user"])

    def testResponsesTakeAFormat(self):
        answer = self.server.post("/v1/responses", {
            "model": "model", "input": "Rate it.", "temperature": 0, "max_output_tokens": 100,
            "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMAS["sentiment"]}}})
        self.assertEqual(answer["text"]["format"]["name"], "s")
        jsonschema.validate(json.loads(answer["output"][0]["content"][0]["text"]), SCHEMAS["sentiment"])


class StructuredOutputsTest(ConstrainedTest):
    def complete(self, **fields):
        choice = self.server.complete("The answer is", max_tokens=100, **fields)["choices"][0]
        self.assertEqual(choice["finish_reason"], "stop")
        return choice["text"]

    def testRegexChoiceAndGrammar(self):
        self.assertRegex(self.complete(structured_outputs={"regex": "[0-9]{3}-[a-f]{2}(é|日)"}), re.compile(r"\A[0-9]{3}-[a-f]{2}(é|日)\Z"))
        self.assertRegex(self.complete(guided_regex=r"(\d{1,3}\.){3}\d{1,3}"), re.compile(r"\A(\d{1,3}\.){3}\d{1,3}\Z"))
        self.assertIn(self.complete(structured_outputs={"choice": ["zürich", "new york", "東京"]}), ["zürich", "new york", "東京"])
        self.assertIn(self.complete(guided_choice=["a\"b", "c\\d"]), ["a\"b", "c\\d"])
        expression = self.complete(structured_outputs={"grammar": 'root ::= term (" + " term){1,3}\nterm ::= [0-9] | "(" root ")"\n'}, seed=3)
        self.assertRegex(expression, r"\A[0-9+() ]+\Z")
        self.assertIsInstance(eval(expression), int)  # Digits, plus and parentheses only, as just seen.
        self.assertIn(json.loads(self.complete(structured_outputs={"json": {"type": "boolean"}})), (True, False))

    def testOnlyOneFormIsTaken(self):
        self.assertEqual(self.refused("/v1/completions", structured_outputs={"regex": "a", "choice": ["b"]})["code"], "invalid_value")
        self.assertEqual(self.refused("/v1/completions", structured_outputs={"regex": "a"}, guided_json={})["param"], "guided_json")

    def testTheEndComesOnlyWhereTheFormAllowsIt(self):
        text = self.complete(structured_outputs={"regex": "(ab){40}"}, ignore_eos=True, min_tokens=90)
        self.assertEqual(text, "ab" * 40)

    def testTheCommandLineTakesThemToo(self):
        engine = compile_engine(model("smollm2"))
        report = run("tenon", "generate", engine, "--prompt", "Pick.", "--regex", "(red|green) [0-9]{2}", "--json").json()
        self.assertRegex(report["results"][0]["text"], r"\A(red|green) [0-9]{2}\Z")


class ToolTest(ConstrainedTest):
    TOOLS = [{"type": "function", "function": {"name": name, "description": f"{name} of a place", "parameters": {
        "type": "object", "properties": {"place": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["place", "days"], "additionalProperties": False}}} for name in ("get_weather", "get_population")]
    ASK = [{"role": "user", "content": "What is the weather in Paris over the next 3 days?"}]

    def check(self, calls, least=1, most=99, names=("get_weather", "get_population")):
        self.assertTrue(least <= len(calls) <= most, calls)
        self.assertEqual(len({c["id"] for c in calls}), len(calls))
        for call in calls:
            self.assertEqual(call["type"], "function")
            self.assertIn(call["function"]["name"], names)
            arguments = json.loads(call["function"]["arguments"])
            self.assertEqual(set(arguments), {"place", "days"})
            self.assertIn(arguments["days"], range(1, 10))

    def chat(self, **fields):
        return self.server.post("/v1/chat/completions", {"model": "model", "messages": self.ASK, "tools": self.TOOLS, "temperature": 0,
                                                         "max_tokens": 300, **fields})["choices"][0]

    def testRequiredNamedAndOneAtATime(self):
        for fields, most, names in (({"tool_choice": "required", "parallel_tool_calls": False}, 1, ("get_weather", "get_population")),
                                    ({"tool_choice": {"type": "function", "function": {"name": "get_population"}}}, 1, ("get_population",))):
            choice = self.chat(**fields)
            self.assertEqual(choice["finish_reason"], "tool_calls")
            self.assertIsNone(choice["message"]["content"])
            self.check(choice["message"]["tool_calls"], 1, most, names)
        several = self.chat(tool_choice="required", temperature=1, seed=5)  # A model may call until the tokens run out.
        self.assertEqual(several["finish_reason"], "tool_calls")
        self.check(several["message"]["tool_calls"])

    def testStreamingSaysTheSame(self):
        body = {"messages": self.ASK, "tools": self.TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "temperature": 0,
                "max_tokens": 300}
        whole = self.chat(tool_choice="required", parallel_tool_calls=False)["message"]["tool_calls"][0]
        pieces, finish = [], None
        for event in self.server.stream("/v1/chat/completions", body):
            for choice in event["choices"]:
                self.assertFalse(choice["delta"].get("content"))
                pieces += choice["delta"].get("tool_calls", [])
                finish = choice["finish_reason"] or finish
        self.assertEqual(finish, "tool_calls")
        self.assertGreater(len(pieces), 3)
        self.assertEqual({p["index"] for p in pieces}, {0})
        self.assertEqual(pieces[0]["function"], {"name": whole["function"]["name"], "arguments": ""})
        self.assertTrue(pieces[0]["id"].startswith("call_"))
        self.assertEqual("".join(p["function"]["arguments"] for p in pieces), whole["function"]["arguments"])

    def testAutoLeavesTheChoiceToTheModel(self):
        choice = self.chat(max_tokens=60)
        if choice["finish_reason"] == "tool_calls":
            self.check(choice["message"]["tool_calls"])
        else:
            self.assertTrue(choice["message"]["content"])
            self.assertNotIn("tool_calls", choice["message"])
        # A model that begins a call must finish it well: the prompt's end makes it begin one.
        none = self.chat(tool_choice="none", max_tokens=10)
        self.assertNotIn("tool_calls", none["message"])

    def testAToolsOrASchema(self):
        choice = self.chat(response_format=schema_format({"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"]}))
        if choice["finish_reason"] == "tool_calls":
            self.check(choice["message"]["tool_calls"])
        else:
            self.assertIsInstance(json.loads(choice["message"]["content"])["x"], bool)

    def testAConversationWithResults(self):
        call = self.chat(tool_choice="required", parallel_tool_calls=False)["message"]
        answer = self.chat(messages=[*self.ASK, call, {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "sunny, 21 C"}],
                           tool_choice="none", max_tokens=20)
        self.assertTrue(answer["message"]["content"])

    def testWhatIsWrongIsNamed(self):
        tools = self.TOOLS
        for fields, param in (
                ({"tool_choice": "required"}, "tool_choice"), ({"tools": [{"type": "web"}]}, "tools[0].type"),
                ({"tools": tools, "tool_choice": "sometimes"}, "tool_choice"),
                ({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "nope"}}}, "tool_choice"),
                ({"tools": tools + tools[:1]}, "tools[2].function.name"), ({"tools": tools * 100}, "tools"),
                ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
                ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]}, "tools[0].function.parameters"),
                ({"tools": tools, "structured_outputs": {"regex": "a"}}, "tools"),
                ({"functions": [{"name": "f"}]}, "functions")):
            self.assertEqual(self.refused(**fields)["param"], param)

    @unittest.skipIf(openai is None, "the package openai is missing (tools/setup installs it)")
    def testThePythonClient(self):
        with openai.OpenAI(base_url=f"http://127.0.0.1:{self.server.port}/v1", api_key="any", max_retries=0) as client:
            common = {"model": "model", "messages": self.ASK, "tools": self.TOOLS, "temperature": 0, "max_tokens": 300}
            choice = client.chat.completions.create(**common, tool_choice="required", parallel_tool_calls=False).choices[0]
            self.assertEqual(choice.finish_reason, "tool_calls")
            self.check([c.model_dump() for c in choice.message.tool_calls])
            with client.chat.completions.stream(**common, tool_choice="required", parallel_tool_calls=False) as stream:
                final = stream.get_final_completion()
            self.assertEqual(final.choices[0].message.tool_calls[0].function.arguments, choice.message.tool_calls[0].function.arguments)
            answer = client.chat.completions.create(model="model", messages=self.ASK, max_tokens=100,
                                                    response_format=schema_format(SCHEMAS["weather_query"]))
            self.assertIn("location", json.loads(answer.choices[0].message.content))
            answer = client.responses.create(model="model", input="Rate it.", temperature=0, text={"format": {
                "type": "json_schema", "name": "rating", "schema": SCHEMAS["score"], "strict": True}})
            self.assertIn(json.loads(answer.output_text), range(1, 11))


class GemmaTest(ConstrainedTest):
    """The other kind of vocabulary: SentencePiece with bytes."""

    MODEL = "gemma3"
    NAMES = list(SCHEMAS) if LONG else ["payment_method", "color", "score", "tree"]

    def testAnswersFitTheirSchemas(self):
        for name in self.NAMES:
            with self.subTest(name):
                choice = self.server.complete(f"An example of a {name}, as JSON:", seed=3, max_tokens=600,
                                              response_format=schema_format(SCHEMAS[name]))["choices"][0]
                self.assertEqual(choice["finish_reason"], "stop", choice["text"][-200:])
                jsonschema.validate(json.loads(choice["text"]), SCHEMAS[name])

    def testBytesOfOtherScripts(self):
        text = self.server.complete("The city is", max_tokens=60, structured_outputs={"regex": "(ꙮ𓀀|日本𓀀){3}"})["choices"][0]["text"]
        self.assertRegex(text, "\\A(ꙮ𓀀|日本𓀀){3}\\Z")


def nested(levels):
    schema = {"type": "null"}
    for _ in range(levels):
        schema = {"anyOf": [{"type": "array", "items": schema, "maxItems": 2}, {"type": "string"}]}
    return schema


class HostileTest(ConstrainedTest):
    """What a client may not do: hold up the others, or take memory without bound."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model("smollm2")), "--grammar-timeout-ms", "2000", "--grammar-memory", "512MiB",
                            "--grammar-cache", "16MiB")

    AT_ONCE = [
        ("depth", schema_format(nested(40))),
        ("pattern bound", {"guided_regex": "a{1,1000000000}"}),
        ("nested bounds", {"guided_regex": "((a{1,100}){1,100}){1,100}"}),
        ("pattern in a schema", schema_format({"type": "string", "pattern": "(x{1,5000}){1,5000}"})),
        ("items", schema_format({"type": "array", "items": {}, "minItems": 10**9})),
        ("reference to itself", schema_format({"$ref": "#"})),
        ("references in a circle", schema_format({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})),
        ("allOf doubled", schema_format({"$ref": "#/$defs/d40", "$defs": {"d0": {"type": "object"}, **{
            f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i - 1}"}] * 2} for i in range(1, 41)}}})),
        ("large", schema_format({"enum": ["x" * 1000 + str(i) for i in range(1000)]})),
        ("many choices", {"guided_choice": [str(i) for i in range(100_000)]}),
        ("grammar bound", {"guided_grammar": 'root ::= ("a"{1,10000}){1,10000}'}),
        ("grammar that is none", {"guided_grammar": "root ::= ((("}),
        ("parentheses", {"guided_regex": "(" * 4000}),
        ("look-around", {"guided_regex": "(?=a)b"}),
        ("no regex", {"guided_regex": "[z-a]"}),
        ("unsupported keyword", schema_format({"not": {"type": "string"}})),
        ("not a schema", schema_format({"type": "strnig"})),
        ("remote", schema_format({"$ref": "https://example.org/schema.json"})),
    ]

    @staticmethod
    def fields(what):
        return {"response_format": what} if "type" in what else what

    def testWhatIsTooMuchIsRefusedAtOnce(self):
        for name, what in self.AT_ONCE:
            with self.subTest(name):
                began = time.monotonic()
                error = self.refused("/v1/completions", **self.fields(what))
                self.assertLess(time.monotonic() - began, 2)
                self.assertTrue(error["message"])
                self.assertTrue(error["param"] or error["code"] == "invalid_json")
                self.assertNotRegex(error["message"], r"0x[0-9a-f]{6}|/root|\.cc:|\.cpp")

    HEAVY = [
        ("determinisation", {"guided_regex": "(a|b)*a(a|b){1000}"}),
        ("long bounds", {"guided_regex": "([a-z]{1,60} ){1,60}"}),
        ("classes", {"guided_regex": "([a-m]{1,40}|[g-z]{1,40}|[a-z0-9]{1,40}){0,40}"}),
        ("optional properties", schema_format({"type": "object", "properties": {f"p{i}": {"type": "string", "maxLength": i} for i in range(400)}})),
        ("deep unions", schema_format(nested(12))),
        ("left recursion", {"guided_grammar": 'root ::= root "a" | root "b" | "c"'}),
        ("ambiguity", {"guided_grammar": 'root ::= root root | "a" | ""'}),
        ("more ambiguity", {"guided_grammar": 'root ::= root root root | root root | "a" | "aa" | "b"'}),
        ("hidden left recursion", {"guided_grammar": 'root ::= b root "x" | "y"\nb ::= "" | "z" b | b b'}),
        ("repeated alternatives", {"guided_grammar": "root ::= " + " ".join("([a-z]{1,400} | [b-y]{2,300})?" for _ in range(300))}),
        ("enums", schema_format({"type": "array", "items": {"enum": [f"{i:08x}" * 3 for i in range(4000)]}})),
    ]

    @unittest.skipUnless(LONG, "takes minutes: TENON_CONSTRAINED_LONG=1")
    def testWhatIsHeavyMeetsItsBounds(self):
        """Each ends in an answer or an error in bounded time, while another client is served without a pause."""
        self.server.complete("Warm", max_tokens=2, guided_choice=["up"])
        before, gaps, over = self.server.resident(), [], threading.Event()

        def neighbour():
            connection = self.server.connect()
            while not over.is_set():
                connection.request("POST", "/v1/completions", json.dumps({
                    "model": "model", "prompt": "Once", "max_tokens": 400, "stream": True, "ignore_eos": True}))
                last = time.monotonic()
                for line in connection.getresponse():
                    if line.startswith(b"data:"):
                        now = time.monotonic()
                        gaps.append(now - last)
                        last = now
                    if over.is_set():
                        break
                if over.is_set():
                    break
            connection.close()

        client = threading.Thread(target=neighbour)
        client.start()
        try:
            for name, what in self.HEAVY:
                with self.subTest(name):
                    began = time.monotonic()
                    status, _, answer = self.server.request("POST", "/v1/completions", {
                        "model": "model", "prompt": "Go", "max_tokens": 200, "temperature": 1, "seed": 1, **self.fields(what)})
                    self.assertIn(status, (200, 400), answer)
                    self.assertLess(time.monotonic() - began, 30)
        finally:
            over.set()
            client.join()
        self.assertGreater(len(gaps), 100)
        # Far above what a mask may take, and far below what compiling takes: these machines are shared.
        self.assertLess(max(gaps), 5, "a token of another client came late")
        metrics = self.server.metrics()
        self.assertEqual(metrics['tenon:step_seconds_bucket{phase="grammar",le="1"}'], metrics['tenon:step_seconds_count{phase="grammar"}'])
        self.assertLess(self.server.resident() - before, 300 << 20)
        self.server.wait_idle()
        self.assertEqual(self.server.complete("Fine?", max_tokens=5, guided_choice=["yes", "no"])["choices"][0]["finish_reason"], "stop")

    def testDistinctOnesStayWithinTheCache(self):
        count = 10_000 if LONG else 200

        def ask(i):
            return self.server.complete("x", max_tokens=8, structured_outputs={"regex": f"v{i}[ab]"})["choices"][0]["text"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for i, text in enumerate(pool.map(ask, range(count // 4))):
                self.assertRegex(text, f"\\Av{i}[ab]\\Z")
            before = self.server.resident()
            for i, text in enumerate(pool.map(ask, range(count // 4, count)), count // 4):
                self.assertRegex(text, f"\\Av{i}[ab]\\Z")
        self.assertLess(self.server.resident() - before, 48 << 20)
        metrics = self.server.metrics()
        self.assertLessEqual(metrics["tenon:grammar_cache_bytes"], 16 << 20)
        self.assertGreaterEqual(metrics['tenon:grammars_total{outcome="compiled"}'], count)

    def testAClientMayLeaveWhileItsGrammarIsCompiled(self):
        for i in range(4):
            connection = self.server.connect()
            connection.request("POST", "/v1/completions", json.dumps({
                "model": "model", "prompt": "x", "max_tokens": 4, "guided_regex": f"([a-z]{{1,60}}{i} ){{1,61}}"}))
            time.sleep(0.02)
            connection.close()
        self.assertEqual(self.server.complete("x", max_tokens=4, guided_choice=["done"])["choices"][0]["text"], "done")
        self.server.wait_idle()

    def testMasksAreMeasured(self):
        self.server.complete("x", max_tokens=30, guided_regex="(ab){10}")
        metrics = self.server.metrics()
        self.assertGreater(metrics['tenon:step_seconds_count{phase="grammar"}'], 0)


if __name__ == "__main__":
    unittest.main()
