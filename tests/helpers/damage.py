"""Damaged copies of a model folder, as interrupted downloads, disks and editors leave them."""

import json
import random
import shutil

import torch
from safetensors.torch import load_file, save_file

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:{:064x}\nsize 1340\n"
VALUES = [None, -1, 0, 1, 3, 10**12, 0.5, "", "x", "1", True, [], {}, [1], {"a": 1}]


def write_vocabulary(folder):
    """Replace `tokenizer.json` by the files of older repositories."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")
    names = ("unk", "sep", "pad", "cls", "mask")
    special = {f"{name}_token": f"[{name.upper()}]" for name in names}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))


def damage_model(model, folder, number):
    """Copy a model folder and damage the copy in a way that the number determines.

    Returns:
        Description of the damage.
    """
    rng = random.Random(number)
    shutil.copytree(model, folder)
    kinds = [(change_bytes, 4), (change_json, 3), (change_weights, 2), (change_pickle, 1)]
    change = rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
    return f"{number}: {change(folder, rng)}"


def change_bytes(folder, rng):
    """Damage the bytes of a file, whatever it contains."""
    file = rng.choice(sorted(folder.iterdir()))
    content = bytearray(file.read_bytes())
    kind = rng.choice(
        ["truncated", "flipped", "emptied", "pointer", "removed", "page", "zeros", "dangling"]
    )
    if kind == "truncated":
        content = content[: rng.randrange(1, len(content))]
    elif kind == "flipped":
        for _ in range(rng.choice([1, 1, 10])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "emptied":
        content = b""
    elif kind == "pointer":
        content = LFS.format(rng.getrandbits(256)).encode()
    elif kind == "page":
        content = b"<!DOCTYPE html><html><body>Please log in</body></html>"
    elif kind == "zeros":
        start = rng.randrange(len(content))
        content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    file.unlink()
    if kind == "dangling":
        file.symlink_to(folder / "absent")
    elif kind != "removed":
        file.write_bytes(content)
    return f"{file.name} {kind}"


def change_json(folder, rng):
    """Remove or replace one value of a JSON file."""
    names = ["config.json", *(file.name for file in folder.glob("*.json"))]
    file = rng.choice(sorted(names))
    content = json.loads((folder / file).read_text())
    place, key = content, rng.choice(sorted(content))
    path = [key]
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
        place = place[key]
        key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
        path.append(key)
    value = rng.choice(["removed", *VALUES])
    if value == "removed":
        del place[key]
    else:
        place[key] = value
    (folder / file).write_text(json.dumps(content))
    return f"{file} {path}: {value!r}"


def change_weights(folder, rng):
    """Damage one tensor, or add, remove or split some."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = rng.choice(sorted(tensors))
    kind = rng.choice(["nan", "inf", "removed", "added", "shape", "int8", "float16", "shards"])
    if kind in ("nan", "inf"):
        tensors[name].view(-1)[rng.randrange(tensors[name].numel())] = float(kind)
    elif kind == "removed":
        del tensors[name]
    elif kind == "added":
        tensors[name.replace("weight", "gate").replace("bias", "scale")] = torch.ones(3)
    elif kind == "shape":
        tensors[name] = torch.cat([tensors[name], tensors[name][:1]])
    elif kind == "int8":
        tensors[name] = tensors[name].to(torch.int8)
    elif kind == "float16":
        tensors = {key: tensor.half() for key, tensor in tensors.items()}
    else:
        return split_weights(folder, tensors, lost=rng.choice([0, 1, None]))
    save_file(tensors, file, metadata={"format": "pt"})
    return f"{name} {kind}"


def split_weights(folder, tensors, *, lost):
    """Replace the weights by two shards and their index, and lose one of the three."""
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = [f"model-0000{i + 1}-of-00002.safetensors" for i in range(2)]
    places = {name: shards[i % 2] for i, name in enumerate(names)}
    for i, shard in enumerate(shards):
        part = {name: tensors[name] for name in names if places[name] == shard}
        if i != lost:
            save_file(part, folder / shard, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return f"two shards, lost: {lost}"


def change_pickle(folder, rng):
    """Store the weights with torch.save instead, and damage the file or a tensor."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    kind = rng.choice(["whole", "nan", "truncated", "flipped", "removed"])
    name = rng.choice(sorted(tensors))
    if kind == "nan":
        tensors[name].view(-1)[0] = float("nan")
    elif kind == "removed":
        del tensors[name]
    file = folder / "pytorch_model.bin"
    torch.save(tensors, file)
    content = bytearray(file.read_bytes())
    if kind == "truncated":
        file.write_bytes(content[: rng.randrange(1, len(content))])
    elif kind == "flipped":
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
    return f"pytorch_model.bin {kind}"
