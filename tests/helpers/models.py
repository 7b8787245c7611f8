"""Changed copies of a model folder."""

import json
import shutil

from safetensors.torch import load_file, save_file


def copy_model(model, folder, *, config=None, scale=None, fill=None):
    """Copy a model folder, and return the copy.

    Args:
        model: Folder to copy.
        folder: New folder.
        config: Values of `config.json` to change.
        scale: Factor on all weights.
        fill: Values by name of a weight, to fill it with.
    """
    shutil.copytree(model, folder)
    if config:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
    weights = load_file(folder / "model.safetensors")
    if scale:
        weights = {name: scale * weight for name, weight in weights.items()}
    for name, value in (fill or {}).items():
        weights[name].fill_(value)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
