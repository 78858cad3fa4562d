"""A training step of the decoder in PyTorch, as fast as it gets on a CPU: the peer of step_bench.rs.

Arguments: directory with model.safetensors, directory with token shards, segments of a batch, tokens of a segment,
f32|bf16, compile|eager, timed steps, steps before them, threads. Prints tokens a second, the mean loss of the last ten
steps and peak memory as a line of JSON. Made with torch 2.15, safetensors, numpy.
"""

import glob
import json
import resource
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import nn

start, data, segments, length, precision, mode, steps, warm_up, threads = sys.argv[1:]
segments, length, steps, warm_up = int(segments), int(length), int(steps), int(warm_up)
torch.set_num_threads(int(threads))
tensors = load_file(f"{start}/model.safetensors")
config = json.load(open(f"{start}/config.json"))
heads, keys, width = (config[name] for name in ("num_attention_heads", "num_key_value_heads", "head_dim"))


def parameter(*names):
    """One parameter of the rows of several tensors: a fused projection."""
    return nn.Parameter(torch.from_numpy(numpy.concatenate([tensors[name] for name in names])))


class Block(nn.Module):
    def __init__(self, index):
        super().__init__()
        layer = f"model.layers.{index}."
        self.norm = parameter(layer + "input_layernorm.weight")
        self.qkv = parameter(*(f"{layer}self_attn.{part}_proj.weight" for part in "qkv"))
        self.query_norm = parameter(layer + "self_attn.q_norm.weight")
        self.key_norm = parameter(layer + "self_attn.k_norm.weight")
        self.output = parameter(layer + "self_attn.o_proj.weight")
        self.forward_norm = parameter(layer + "post_attention_layernorm.weight")
        self.gate_up = parameter(layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight")
        self.down = parameter(layer + "mlp.down_proj.weight")

    def forward(self, x, cos, sin):
        batch, time_, channels = x.shape
        normed = F.rms_norm(x, (channels,), self.norm, 1e-6)
        all_heads = F.linear(normed, self.qkv).view(batch, time_, heads + 2 * keys, width).transpose(1, 2)
        query, key, value = all_heads.split([heads, keys, keys], 1)

        def rotate(rows, norm):
            rows = F.rms_norm(rows, (width,), norm, 1e-6)
            left, right = rows.chunk(2, -1)
            return (rows * cos + torch.cat([-right, left], -1) * sin).to(value.dtype)

        query, key = rotate(query, self.query_norm), rotate(key, self.key_norm)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        x = x + F.linear(mixed.transpose(1, 2).reshape(batch, time_, -1), self.output)
        gate, up = F.linear(F.rms_norm(x, (channels,), self.forward_norm, 1e-6), self.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = parameter("model.embed_tokens.weight")
        self.blocks = nn.ModuleList(Block(index) for index in range(config["num_hidden_layers"]))
        self.norm = parameter("model.norm.weight")
        frequencies = config["rope_theta"] ** (-torch.arange(0, width, 2) / width)
        angles = torch.arange(length)[:, None] * frequencies
        self.register_buffer("cos", torch.cat([angles.cos()] * 2, -1))
        self.register_buffer("sin", torch.cat([angles.sin()] * 2, -1))

    def forward(self, tokens, targets):
        x = F.embedding(tokens, self.embedding)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = F.linear(F.rms_norm(x, x.shape[-1:], self.norm, 1e-6), self.embedding)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


model = Decoder()
matrices = [p for p in model.parameters() if p.dim() == 2]
vectors = [p for p in model.parameters() if p.dim() == 1]
groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)
run = torch.compile(model) if mode == "compile" else model
shards = sorted(glob.glob(f"{data}/train-*.safetensors"))
stream = numpy.concatenate([load_file(path)["tokens"].astype(numpy.int64) for path in shards])


def batch(step):
    starts = (step * segments + numpy.arange(segments)) * length
    rows = torch.from_numpy(stream[(starts[:, None] + numpy.arange(length + 1)) % len(stream)])
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


seconds, losses = [], []
for step in range(steps + warm_up):
    began = time.perf_counter()
    tokens, targets = batch(step)
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = run(tokens, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
    seconds.append(time.perf_counter() - began)
timed = sorted(seconds[warm_up:])
print(
    json.dumps(
        {
            "tokens_per_second": segments * length / timed[len(timed) // 2],
            "loss": sum(losses[-10:]) / len(losses[-10:]),
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )
)
