"""Virtual environments that have the package and its dependencies, but not the repository."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def install(folder: Path, wheel: Path | None = None) -> list[str]:
    """Create an environment with the package, and return the command `stablebert` in it.

    Args:
        folder: Folder of the environment.
        wheel: The wheel to install. None for the files that belong into it, copied, which takes
            neither a build nor a network.
    """
    venv.create(folder, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    # The .pth file of an editable install has no effect in a folder that is added by one.
    dependencies = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "dependencies.pth").write_text("\n".join(dependencies))
    python = str(folder / "bin/python")
    if wheel:
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
        return [python, "-E", str(folder / "bin/stablebert")]  # -E ignores PYTHONPATH
    _copy_package(packages)
    return [python, "-E", "-m", "stablebert"]


def _copy_package(packages: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    places = {name: name for name in target["packages"]} | target["force-include"]
    for source, place in places.items():
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, packages / place, ignore=ignored)
        else:
            shutil.copy(ROOT / source, packages / place)
