"""What `collect` and `preprocess` do with a table of reviews, by Hugging Face datasets and tokenizers and by datasketch.

requires: datasets 5.2.0, tokenizers 0.23.3, datasketch 2.0.0, numpy 2.4.6, safetensors, xxhash

`nsmc_peer.py TABLE OUT VOCAB_SIZE SIMILARITY PROCESSES`: reads the columns `film` and `review` of a table, cleans both (NFC, no
control characters, runs of white space), drops equal pairs, drops near-duplicates (MinHash of 128 permutations over
sequences of five letters and digits, LSH), splits by film, fits a byte-level BPE to train, writes token shards with the
flags of the answer's tokens, and prints what it found as JSON. Every step is the library's own and runs in `PROCESSES`
processes or threads where the library can.
"""

import json
import os
import re
import sys
import time
import unicodedata

table, out, vocab_size, similarity, processes = sys.argv[1:6]
vocab_size, similarity, processes = int(vocab_size), float(similarity), int(processes)
os.makedirs(out)
os.environ["HF_DATASETS_CACHE"] = os.path.join(out, "cache")
os.environ["RAYON_NUM_THREADS"] = str(processes)
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import datasets  # noqa: E402
import numpy as np  # noqa: E402
import xxhash  # noqa: E402
from datasketch import LeanMinHash, MinHash, MinHashLSH  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

datasets.disable_progress_bars()
HASHES, SHINGLE = 128, 5
SPECIAL = ["<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
SPACE = re.compile(r"\s+")
BLANK = str.maketrans({"\u3164": " ", "\uffa0": " ", "\u2800": " "})
seconds, last = {}, time.time()


def done(step):
    global last
    seconds[step], last = round(time.time() - last, 2), time.time()


def clean(text):
    text = unicodedata.normalize("NFC", UNSEEN.sub("", text.translate(BLANK)))
    return SPACE.sub(lambda gap: "\n" if "\n" in gap[0] else " ", text).strip()


def shingles(role, text):
    letters = "".join(filter(str.isalnum, text)).lower()
    if len(letters) < SHINGLE:
        return {role + letters} if letters else set()
    return {role + letters[i : i + SHINGLE] for i in range(len(letters) - SHINGLE + 1)}


def cleaned(rows):
    return {name: [clean(text) for text in rows[name]] for name in ("film", "review")}


def signatures(rows):
    sets = ([text.encode() for text in shingles("u", film) | shingles("a", review)]
            for film, review in zip(rows["film"], rows["review"]))
    made = MinHash.generator(sets, num_perm=HASHES, hashfunc=xxhash.xxh32_intdigest)
    return {"signature": [minhash.hashvalues for minhash in made]}


def split_of(film):
    place = xxhash.xxh32_intdigest(film.encode()) / 2**32 * 100
    return 2 if place < 5 else 1 if place < 10 else 0


columns = datasets.Features({name: datasets.Value("string") for name in ("id", "film", "rating", "review")})
rows = datasets.load_dataset("csv", data_files=table, delimiter="\t", features=columns, keep_default_na=False, split="train")
rows = rows.select_columns(["film", "review"])
done("read")
read = len(rows)
rows = rows.map(cleaned, batched=True, num_proc=processes)
rows = rows.filter(lambda batch: [bool(film and review) for film, review in zip(batch["film"], batch["review"])],
                   batched=True, num_proc=processes)
done("clean")
seen, keep = set(), []
for start in range(0, len(rows), 10_000):
    batch = rows[start : start + 10_000]
    for at, pair in enumerate(zip(batch["film"], batch["review"]), start):
        if pair not in seen:
            seen.add(pair)
            keep.append(at)
del seen
duplicates = len(rows) - len(keep)
rows = rows.select(keep)
done("duplicates")
rows = rows.map(signatures, batched=True, num_proc=processes)
done("signatures")
index, kept, near = MinHashLSH(threshold=similarity, num_perm=HASHES), [], 0
minhashes = {}
scheme = MinHash(num_perm=HASHES).scheme
arrays = rows.with_format("numpy", columns=["signature"])
for start in range(0, len(rows), 10_000):
    for at, values in enumerate(arrays[start : start + 10_000]["signature"], start):
        minhash = LeanMinHash(seed=1, hashvalues=values, scheme=scheme)
        if any(minhash.jaccard(minhashes[other]) >= similarity for other in index.query(minhash)):
            near += 1
            continue
        index.insert(at, minhash, check_duplication=False)
        minhashes[at] = minhash
        kept.append(at)
del index, minhashes
rows = rows.select(kept).remove_columns("signature")
done("near-duplicates")
rows = rows.map(lambda batch: {"split": list(map(split_of, batch["film"]))}, batched=True, num_proc=processes)
splits = np.asarray(rows["split"])
train = rows.select(np.flatnonzero(splits == 0))
done("split")
tokenizer = Tokenizer(models.BPE())
tokenizer.normalizer = normalizers.NFC()
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(vocab_size=vocab_size, min_frequency=2, special_tokens=SPECIAL, show_progress=False,
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def texts():
    for batch in train.iter(10_000):
        yield batch["film"]
        yield batch["review"]


tokenizer.train_from_iterator(texts(), trainer)
tokenizer.save(os.path.join(out, "tokenizer.json"))
done("tokenizer")
tokens = 0
for number, name in enumerate(["train", "valid", "test"]):
    part = rows.select(np.flatnonzero(splits == number))
    ids, loss, starts = [], [], [0]
    for batch in part.iter(10_000):
        films = tokenizer.encode_batch_fast(batch["film"])
        reviews = tokenizer.encode_batch_fast(batch["review"])
        for film, review in zip(films, reviews):
            film, review = film.ids, review.ids
            ids.append(np.array([0, 3, *film, 1, 4, *review, 1], dtype=np.uint16))
            flags = np.zeros(len(film) + len(review) + 5, dtype=np.uint8)
            flags[len(film) + 4 :] = 1
            loss.append(flags)
            starts.append(starts[-1] + len(flags))
    tokens += starts[-1]
    save_file({"tokens": np.concatenate(ids), "loss": np.concatenate(loss), "starts": np.array(starts, dtype=np.uint64)},
              os.path.join(out, f"{name}-00000.safetensors"))
    if name != "train":
        part.select_columns(["film", "review"]).to_json(os.path.join(out, f"{name}.jsonl"), force_ascii=False)
done("shards")
print(json.dumps({"read": read, "duplicates": duplicates, "near_duplicates": near, "kept": len(rows), "tokens": tokens,
                  "vocabulary": tokenizer.get_vocab_size(), "seconds": seconds}))
