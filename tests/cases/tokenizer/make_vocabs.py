#!/usr/bin/env python3
"""Writes the small vocabularies of this folder (vocab/*.gguf): one of each kind, trained on a few sentences."""

import collections
import pathlib
import struct

TEXT = """The quick brown fox jumps over the lazy dog. The dog isn't amused; it's tired, and they've seen 12 foxes in 1999!
Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter. Größe, Straße, Äpfel und Öl: schön.
Съешь ещё этих мягких французских булок. 中文分词很难。 日本語のテキスト。 한국어 문장입니다.
def add(a, b):\n    return a + b  # the sum\n\n\tprint(add(1, 22), "x" * 333)\n"""
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool>", "</tool>"]
STRING, ARRAY, U32, I32, F32, BOOL = 8, 9, 4, 5, 6, 7


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], v)


def write(name, items):
    out = [b"GGUF", struct.pack("<IQQ", 3, 0, len(items))]
    for key, kind, v in items:
        out.append(text(key))
        if isinstance(v, list):
            out.append(struct.pack("<IIQ", ARRAY, kind, len(v)) + b"".join(value(kind, x) for x in v))
        else:
            out.append(struct.pack("<I", kind) + value(kind, v))
    body = b"".join(out)
    path = pathlib.Path(__file__).parent / "vocab" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body + b"\0" * (-len(body) % 32))


def byte_alphabet():
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, extra = {}, 0
    for b in range(256):
        if b in plain:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def train(words, n):
    """Byte-pair merges: the most frequent pair first, ties by spelling."""
    words, merges = [list(w) for w in words], []
    for _ in range(n):
        pairs = collections.Counter(p for w in words for p in zip(w, w[1:]))
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for w in words:
            i = 0
            while i + 1 < len(w):
                if (w[i], w[i + 1]) == best:
                    w[i:i + 2] = [w[i] + w[i + 1]]
                i += 1
    return merges


def common(model, tokens, types, scores=None):
    items = [("general.architecture", STRING, "llama"), ("tokenizer.ggml.model", STRING, model),
             ("llama.context_length", U32, 64), ("llama.embedding_length", U32, 32),
             ("llama.block_count", U32, 1), ("llama.feed_forward_length", U32, 32),
             ("llama.attention.head_count", U32, 1), ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
             ("llama.vocab_size", U32, len(tokens)),
             ("tokenizer.ggml.tokens", STRING, tokens), ("tokenizer.ggml.token_type", I32, types)]
    return items + ([("tokenizer.ggml.scores", F32, scores)] if scores else [])


def pieces(separator):
    words = TEXT.replace("\n", " \n ").split(" ")
    return [separator + w for w in words if w]


def bpe():
    alphabet = byte_alphabet()
    words = ["".join(alphabet[b] for b in w.encode()) for w in pieces(" ")]
    merges = train(words, 150)
    tokens = [alphabet[b] for b in range(256)] + [a + b for a, b in merges] + SPECIAL
    types = [1] * (256 + len(merges)) + [3, 3, 3, 4, 4]
    write("own-bpe.gguf", common("gpt2", tokens, types) + [
        ("tokenizer.ggml.pre", STRING, "qwen2"),
        ("tokenizer.ggml.merges", STRING, [a + " " + b for a, b in merges]),
        ("tokenizer.ggml.bos_token_id", U32, tokens.index("<|im_start|>")),
        ("tokenizer.ggml.eos_token_id", U32, tokens.index("<|im_end|>")),
        ("tokenizer.ggml.eot_token_id", U32, tokens.index("<|im_end|>"))])


def spm():
    merges = train(pieces("▁"), 150)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    types = [2, 3, 3] + [6] * 256
    for piece in dict.fromkeys([a + b for a, b in merges] + sorted(set("▁".join(pieces("")))) + ["▁"]):
        tokens.append(piece)
        types.append(1)
    tokens += ["<tool>", "</tool>"]
    types += [4, 4]
    scores = [0.0] * 259 + [-float(i) for i in range(len(tokens) - 259)]
    write("own-spm.gguf", common("llama", tokens, types, scores) + [("tokenizer.ggml.add_bos_token", BOOL, True)])


def ugm():
    counts = collections.Counter()
    for w in pieces("▁"):
        for i in range(len(w)):
            for j in range(i + 1, min(len(w), i + 6) + 1):
                counts[w[i:j]] += 1
    keep = [p for p, c in sorted(counts.items(), key=lambda x: (-x[1] * len(x[0]), x[0])) if c > 1 or len(p) == 1][:300]
    tokens = ["<pad>", "</s>", "<unk>"] + keep + ["<tool>"]
    types = [3, 3, 2] + [1] * len(keep) + [4]
    scores = [0.0] * 3 + [-1.0 - i / 37 for i in range(len(keep))] + [0.0]
    write("own-ugm.gguf", common("t5", tokens, types, scores) + [
        ("tokenizer.ggml.add_space_prefix", BOOL, True), ("tokenizer.ggml.remove_extra_whitespaces", BOOL, True),
        ("tokenizer.ggml.unknown_token_id", U32, 2), ("tokenizer.ggml.eos_token_id", U32, 1)])


def wpm():
    words = [w.lower() for w in pieces("▁")]
    parts = dict.fromkeys(["▁" + c for c in sorted(set("".join(words)))] + sorted(set("".join(words)))
                          + [a + b for a, b in train(words, 120)])
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(parts)
    types = [3, 2, 3, 3, 3] + [1] * len(parts)
    ids = {"padding": 0, "unknown": 1, "bos": 2, "seperator": 3, "mask": 4}
    write("own-wpm.gguf", common("bert", tokens, types) + [
        (f"tokenizer.ggml.{k}_token_id", U32, v) for k, v in ids.items()])


def rwkv():
    escape = {ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r", ord("\\"): "\\\\"}
    tokens = ["<s>"] + [escape.get(b, chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in range(256)]
    tokens += [a + b for a, b in train(pieces(" "), 60)]
    write("own-rwkv.gguf", common("rwkv", [t.replace("\n", "\\n") for t in tokens], [1] * len(tokens)))


for kind in (bpe, spm, ugm, wpm, rwkv):
    kind()
