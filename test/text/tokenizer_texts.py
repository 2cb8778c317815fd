"""Strings that tokenizers disagree about, made from a seed."""
import random

EMOJI = ["😀", "👍", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇯🇵", "👋🏽", "❤️", "🧑🏿‍🚀", "1️⃣", "☺", "🫠", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"]
SPACES = [" ", " ", " ", "  ", "\t", "\n", "\r", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2003", "\u200b", "\u2028",
          "\u0085", "\u180e", "\ufeff", "\x0b", "\x0c", "\x1c", "\u202f", "▁", "▁▁"]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x5FF), (0x600, 0x6FF),
          (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2150, 0x218F),
          (0x2190, 0x23FF), (0x2460, 0x24FF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFB4F),
          (0xFF00, 0xFFEF), (0x10400, 0x1044F), (0x11DE0, 0x11DE9), (0x16FF0, 0x16FFF), (0x1D400, 0x1D7FF),
          (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0x30000, 0x3134F), (0xE0000, 0xE01EF), (0x10FF00, 0x10FFFF)]
WORDS = ("the of and to in a is that for it was on are as with his they at be this from I have or by one had not but what "
         "all were when we there can an your which their said if do will each about how up out them then she many some so "
         "these would other into has more her two like him see time could no make than first been its who now people my "
         "made over did down only way find use may water long little very after words called just where most know "
         "don't can't I'm we're you've she'll he'd it's O'Neill ROCK'N'ROLL 'tis DON'T I'LL naïve café Straße "
         "Grüße déjà-vu Ελλάδα Привет мир שלום مرحبا नमस्ते สวัสดี 你好世界 こんにちは 안녕하세요").split()
CODE = ["def ", "return", "for (int i = 0; i < n; ++i) {", "}", "self.x", "==", "!=", "->", "::", "std::vector<int>",
        "#include <stdio.h>", "//", "/* c */", "'''", '"""', "0x1F", "1e-9", "3.14159", "__init__", "lambda x: x**2", "&&",
        "||", "<<", ">>=", "{}", "[]", "()", ";", ",", "\\n", "%d", "${x}", "@", "</div>", "<a href=\"#\">", "git commit -m",
        "SELECT * FROM t WHERE a='b'", "camelCaseName", "SNAKE_CASE", "\t", "    ", "        ", "\n", "\n    ", "\n\n\n"]
DIGITS = "0123456789" * 4 + "٠١٢٣४५६৭๘๙²³¼½①⑩Ⅳↈ㊿０９𝟎𝟡𐄇"


def scalar(rng):
    while True:
        c = rng.randrange(0x110000)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def from_block(rng, block, most):
    return "".join(chr(rng.randint(*block)) for _ in range(rng.randint(1, most)))


def one(rng, pieces, specials):
    kind = rng.randrange(14)
    n = rng.randint(1, 12)
    pick = rng.choice
    if kind == 0:
        return "".join(scalar(rng) for _ in range(n))
    if kind == 1:
        return pick(["", " ", "\n"]).join(from_block(rng, pick(BLOCKS), 6) for _ in range(rng.randint(1, 6)))
    if kind == 2:
        return "".join(pick(CODE) + pick(["", " ", "", "\n"]) for _ in range(n))
    if kind == 3:
        return "".join(pick(EMOJI) + pick(["", " ", "a", "\u200d", "\ufe0f"]) for _ in range(n))
    if kind == 4:
        return "".join(pick(SPACES) * rng.randint(1, 5) + pick(["", "", "x", "1", "!", "é"]) for _ in range(n))
    if kind == 5:
        special = [pick(specials) for _ in range(3)]
        special += [special[0][: rng.randint(1, len(special[0]))], special[1][rng.randint(0, len(special[1]) - 1):]]
        return "".join(pick(special) + pick(["", " ", "\n", "user", "  ", "<"]) for _ in range(rng.randint(1, 6)))
    if kind == 6:
        return "".join(pick(DIGITS) + pick(["", "", "", " ", ".", ","]) for _ in range(2 * n))
    if kind == 7:
        return "".join(chr(rng.choice([rng.randrange(32), 0x7F + rng.randrange(33), 65])) for _ in range(n))
    if kind == 8:
        return "".join(pick(pieces) for _ in range(n))
    if kind == 9:
        return pick(["", " ", "\n"]) + pick([" ", "  ", " ", ", "]).join(pick(WORDS) for _ in range(2 * n))
    if kind == 10:
        base = pick("aeiounAEc ка가क")
        return "".join(base + from_block(rng, (0x300, 0x36F), 3) for _ in range(n))
    if kind == 11:
        return pick(["a", "ab", "=", "-", " ", "\n", "\t", "é", "字", "0", "😀", "_", "aA", ".", "ha"]) * rng.randint(1, 90)
    if kind == 12:
        ends = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'lL", "'d", "'D", "'ſ", "'", "''", "’s", "'x"]
        return "".join(pick([" ", "", "I", "you", "1", "!"]) + pick(ends) + pick(["", "s", " ", "3"]) for _ in range(n))
    parts = [one(rng, pieces, specials) for _ in range(rng.randint(2, 3))]
    return pick(["", " ", "\n"]).join(parts)


def texts(seed, count, pieces, specials):
    """`count` strings; the first are the same for every seed."""
    fixed = ["", " ", "  ", "\n", "a", "▁", "a▁b", " a", "a ", "Hello, world!", "\x00", "\U0010ffff", "\ufffd", "=" * 3000,
             "a" * 3000, " " * 3000, "\n" * 500, "ab " * 700, "1" * 300, "字" * 700, "😀" * 300, "\t " * 300]
    fixed += [chr(c) for c in range(1, 0x180)] + list(specials[:40])
    rng = random.Random(seed)
    out = fixed[:count]
    while len(out) < count:
        out.append(one(rng, pieces, specials))
    return out


def broken_utf8(seed, count):
    """Byte strings that are mostly no valid UTF-8."""
    rng = random.Random(seed)
    parts = [b"a", b" ", b"\xff", b"\xc3", b"\xc3\xa9", b"\xe2\x82", b"\xe2\x82\xac", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80",
             b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80", b"\xe0\x80", b"\xf8", b"<0x41>"]
    return [b"".join(rng.choice(parts) for _ in range(rng.randint(1, 9))) for _ in range(count)]
