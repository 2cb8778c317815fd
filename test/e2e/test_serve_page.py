# SPDX-License-Identifier: Apache-2.0
"""The page at / in a headless Chromium: a conversation, live figures, and nothing asked of anybody else."""

import json
import unittest
from urllib.parse import urlsplit

import browser
from serving import Server
from tenon_cli import compile_engine, model


@unittest.skipIf(browser.find() is None, "no Chromium (Debian's package chromium, or TENON_CHROMIUM=PATH)")
class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))

    def say(self, page, text):
        page.evaluate("document.getElementById('text').focus()")
        page.type(text)
        page.press("Enter", 13)

    def testAConversationWithLiveFigures(self):
        with Server(self.engine) as server, browser.Browser(browser.find()) as page:
            page.open(f"http://127.0.0.1:{server.port}/")
            page.wait("document.getElementById('model').textContent === 'model'")
            page.evaluate("document.getElementById('temperature').value = 0; document.getElementById('most').value = 48")
            # Every length that the answer has while it grows.
            page.evaluate("""
                window.lengths = new Set();
                new MutationObserver(() => lengths.add(document.querySelector('p.assistant:last-child')?.textContent.length))
                  .observe(document.getElementById('talk'), { subtree: true, childList: true, characterData: true })""")
            self.say(page, "Name a river.")
            page.wait("document.querySelector('p.assistant')?.textContent")
            page.wait("document.getElementById('send').textContent === 'Send'")
            said = page.evaluate("document.querySelector('p.assistant').textContent")
            whole = server.chat("Name a river.", max_tokens=48)
            self.assertEqual(said, whole["choices"][0]["message"]["content"])
            self.assertGreater(page.evaluate("lengths.size"), 5)
            self.assertGreater(page.evaluate("parseFloat(document.getElementById('rate').textContent)"), 0)

            # Somebody else's long answers are seen in the figures.
            other = server.connect()
            other.request("POST", "/v1/completions", json.dumps({"model": "model", "prompt": "Once", "max_tokens": 4000, "n": 2,
                                                                 "ignore_eos": True, "stream": True}))
            page.wait("""document.getElementById('running').textContent === '2' &&
                         parseFloat(document.getElementById('total').textContent) > 0 &&
                         parseFloat(document.getElementById('kv').textContent) > 0 &&
                         document.getElementById('waiting').textContent === '0'""")
            other.close()
            # The next turn has the first in its prompt; it is stopped half-way, which ends it on the server too.
            page.evaluate("document.getElementById('most').value = 4000")
            self.say(page, "Now write a very long story about it.")
            page.wait("document.querySelectorAll('p.assistant')[1]?.textContent.length > 20")
            page.evaluate("document.getElementById('send').click()")
            page.wait("document.getElementById('send').textContent === 'Send'")
            server.wait_idle(10)
            page.wait("document.getElementById('running').textContent === '0'")
            page.evaluate("document.getElementById('clear').click()")
            self.assertEqual(page.evaluate("document.getElementById('talk').childElementCount"), 0)

            self.assertEqual(page.complaints, [])
            self.assertEqual({urlsplit(url).netloc for url in page.requests}, {f"127.0.0.1:{server.port}"}, page.requests)
            self.assertEqual(page.evaluate("document.querySelectorAll('link, script[src], img').length"), 0)

    def testAnErrorIsShown(self):
        with Server(self.engine) as server, browser.Browser(browser.find()) as page:
            page.open(f"http://127.0.0.1:{server.port}/")
            page.wait("document.getElementById('model').textContent === 'model'")
            page.evaluate("document.getElementById('temperature').value = 9")
            self.say(page, "<b>Hi</b>")
            page.wait("document.querySelector('p.error')?.textContent.includes('temperature')")
            self.assertEqual(page.evaluate("document.querySelector('p.user').innerHTML"), "&lt;b&gt;Hi&lt;/b&gt;")

    def testAKeyIsAskedForAndUsed(self):
        with Server(self.engine, "--api-key", "page-key-1") as server, browser.Browser(browser.find()) as page:
            page.open(f"http://user:page-key-1@127.0.0.1:{server.port}/")
            page.evaluate("document.getElementById('most').value = 4")
            page.wait("document.getElementById('model').textContent === 'model'")
            self.say(page, "Hi")
            page.wait("document.querySelector('p.assistant')?.textContent && document.getElementById('send').textContent === 'Send'")
            self.assertIsNone(page.evaluate("document.querySelector('p.error')"))


if __name__ == "__main__":
    unittest.main()
