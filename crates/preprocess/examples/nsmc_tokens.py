"""Whether every conversation has the tokens that Python's tokenizers gives it, and the vocabulary that it would fit.

requires: tokenizers 0.23.3, numpy, safetensors

`nsmc_tokens.py CONVERSATIONS DATA`: CONVERSATIONS is what `collect` wrote, DATA is what `preprocess` made of it without
`--near-duplicates` and with `--privacy off`. Each turn is cleaned as `preprocess` documents it and encoded; the
conversation must stand in a shard with exactly these tokens. Then a BPE is fitted to the texts of train, and vocabulary
and merges must be those of DATA. Ends with 1 where something differs.
"""

import glob
import json
import re
import sys
import unicodedata

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

conversations, data = sys.argv[1:3]
SPECIAL = ["<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
SPACE = re.compile(r"\s+")
SHOWN = str.maketrans({"\u3164": " ", "\uffa0": " ", "\u2800": " ", "\x0b": "\n", "\x0c": "\n", "\r": "\n", "\x85": "\n",
                       "\u2028": "\n", "\u2029": "\n"})


def clean(text):
    text = unicodedata.normalize("NFC", UNSEEN.sub("", text.translate(SHOWN)))
    return SPACE.sub(lambda gap: "\n" if "\n" in gap[0] else " ", text).strip()


tokenizer = Tokenizer.from_file(f"{data}/tokenizer.json")
begin, end, _, user, assistant = (tokenizer.token_to_id(text) for text in SPECIAL)
written, train = set(), []
for path in sorted(glob.glob(f"{data}/*.safetensors")):
    shard = load_file(path)
    tokens, starts = shard["tokens"].astype(np.uint32), shard["starts"]
    for start, stop in zip(starts[:-1], starts[1:]):
        written.add(tokens[start:stop].tobytes())
        if "train-" in path:
            train.append(tokens[start:stop])
read = differ = 0
for path in sorted(glob.glob(f"{conversations}/conversations-*.jsonl")):
    talks = [[clean(message["content"]) for message in json.loads(line)["messages"]] for line in open(path, encoding="utf-8")]
    questions = tokenizer.encode_batch([question for question, _ in talks])
    answers = tokenizer.encode_batch([answer for _, answer in talks])
    for talk, question, answer in zip(talks, questions, answers):
        tokens = np.array([begin, user, *question.ids, end, assistant, *answer.ids, end], dtype=np.uint32)
        read += 1
        if tokens.tobytes() not in written:
            differ += 1
            if differ <= 5:
                print("differs:", talk)
print(f"{read} conversations, {len(written)} of different tokens, {differ} differ")

fitted = Tokenizer(models.BPE())
fitted.normalizer = normalizers.NFC()
fitted.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(vocab_size=tokenizer.get_vocab_size(), min_frequency=2, special_tokens=SPECIAL,
                              show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def texts():
    for tokens in train:
        middle = int(np.flatnonzero(tokens == end)[0])
        yield tokenizer.decode(tokens[2:middle].tolist())
        yield tokenizer.decode(tokens[middle + 2 : -1].tolist())


fitted.train_from_iterator(texts(), trainer)
ours, theirs = (json.loads(one.to_str())["model"] for one in (tokenizer, fitted))
same = ours["vocab"] == theirs["vocab"] and ours["merges"] == theirs["merges"]
print(f"{len(ours['merges'])} merges, {'all' if same else 'not all'} those of Python's tokenizers")
sys.exit(1 if differ or not same else 0)
