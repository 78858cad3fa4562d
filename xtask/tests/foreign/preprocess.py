"""A preprocess stage in another language: one token a byte, by the contract and Python's standard library alone."""
import argparse, hashlib, itertools, json, pathlib, shutil, struct, unicodedata

SPECIAL = ["<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TEMPLATE = ("{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")

def clean(text):  # until no special token is left: removing one may bring another together
    short = " ".join(unicodedata.normalize("NFC", text).split())
    for special in SPECIAL:
        short = short.replace(special, "")
    return text if short == text else clean(short)

def render(messages):  # tokens, and a flag for each: whether it is a training target
    pairs = [(0, 0)]
    for m in messages:
        said = [len(SPECIAL) + byte for byte in m["content"].encode()] + [SPECIAL.index("<|end|>")]
        pairs += [(SPECIAL.index(f"<|{m['role']}|>"), 0)] + [(token, int(m["role"] == "assistant")) for token in said]
    return pairs

def safetensors(tensors):
    header, data = {}, b""
    for name, dtype, code, values in tensors:
        begin, data = len(data), data + struct.pack(f"<{len(values)}{code}", *values)
        header[name] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data

options = argparse.ArgumentParser(description=__doc__)
for name in ["--conversations", "--out"]:
    options.add_argument(name, type=pathlib.Path, required=True)
source, out = vars(options.parse_args()).values()
out.mkdir(parents=True)
write = lambda name, value: (out / name).write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")

read, seen, splits, dropped = 0, set(), {"train": [], "valid": [], "test": []}, {"no_assistant_turn": 0, "duplicate": 0}
for line in (line for file in sorted(source.glob("conversations-*.jsonl")) for line in file.open(encoding="utf-8")):
    talk, read = json.loads(line), read + 1
    talk["messages"] = [m for m in ({**m, "content": clean(m["content"])} for m in talk["messages"]) if m["content"]]
    said = tuple((m["role"], m["content"]) for m in talk["messages"])
    if said in seen or "assistant" not in dict(said):
        dropped["duplicate" if said in seen else "no_assistant_turn"] += 1
    else:  # the first turn's hash chooses where the source does not, so that a question is never in two splits
        chosen = {0: "valid", 1: "test"}.get(hashlib.sha256(said[0][1].encode()).digest()[0] % 20, "train")
        splits[talk.get("split") or chosen].append(talk)
        seen.add(said)

figures = []
for split, talks in splits.items():
    documents, texts = [render(talk["messages"]) for talk in talks], [m["content"] for t in talks for m in t["messages"]]
    tokens, flags = ([pair[part] for pairs in documents for pair in pairs] for part in (0, 1))
    starts = [0, *itertools.accumulate(map(len, documents))]
    shard = safetensors([("starts", "U64", "Q", starts), ("tokens", "U16", "H", tokens), ("loss", "U8", "B", flags)])
    (out / f"{split}-00000.safetensors").write_bytes(shard)
    if split != "train":
        write(f"{split}.jsonl", "".join(json.dumps(talk) + "\n" for talk in talks))
    characters, size = len("".join(texts)), len("".join(texts).encode())
    figures.append({"split": split, "conversations": len(talks), "turns": len(texts), "tokens": len(tokens), "targets": sum(flags),
                    "longest": max(map(len, documents), default=0), "characters": characters, "bytes": size, "content_tokens": size,
                    "characters_per_token": characters / max(size, 1), "bytes_per_token": 1})

letters = [*range(33, 127), *range(161, 173), *range(174, 256)]  # GPT-2 writes the other bytes as characters after 255
letters = [chr(b if b in letters else 256 + sum(c not in letters for c in range(b))) for b in range(256)]
flags = dict.fromkeys(["normalized", "single_word", "lstrip", "rstrip"], False) | {"special": True}
special = [{"id": n, "content": token, **flags} for n, token in enumerate(SPECIAL)]
bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
vocabulary = {token: n for n, token in enumerate(SPECIAL + letters)}
write("tokenizer.json", {"version": "1.0", "added_tokens": special, "pre_tokenizer": bytewise, "decoder": bytewise,
                         "model": {"type": "BPE", "vocab": vocabulary, "merges": []}})
write("tokenizer_config.json", {"bos_token": SPECIAL[0], "eos_token": SPECIAL[1], "pad_token": SPECIAL[0]})
write("chat_template.jinja", TEMPLATE)
write("preprocess.json", {
    "options": {"vocab_size": len(vocabulary), "max_tokens": 0, "min_turns": 1, "valid_percent": 5, "test_percent": 5},
    "read": read, "kept": read - sum(dropped.values()), "dropped": sum(dropped.values()),
    "drops": [{"reason": reason, "conversations": count} for reason, count in dropped.items()],
    "changes": dict.fromkeys(["empty_turns", "merged_turns", "cut_conversations", "cut_turns"], 0),
    "vocabulary": {"size": len(vocabulary), "special": len(SPECIAL), "merges": 0}, "splits": figures})
if (source / "responses.jsonl").exists():
    shutil.copy(source / "responses.jsonl", out)
