"""pdfTeX, which compiles what reports write."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def compile_latex(folder: Path, body: str, *, preamble: str = "") -> str:
    """Compile a document with the packages that reports need, as `run_pdflatex`."""
    head = "\\documentclass{article}\\usepackage{booktabs,graphicx}"
    text = f"{head}\n{preamble}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    return run_pdflatex(folder, text)


def run_pdflatex(folder: Path, source: str) -> str:
    """Compile a document in a folder; return pdfTeX's output.

    It fails at the first error, and skips the test where pdfTeX or booktabs is not installed.
    """
    if not (engine := shutil.which("pdflatex")) or not _has_booktabs():
        pytest.skip("needs apt-get install texlive-latex-recommended")
    (folder / "main.tex").write_text(source, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    environment = os.environ | {"TEXMFVAR": str(folder / "texmf")}  # for the fonts that it makes
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace"
    )
    assert process.returncode == 0, process.stdout[-2000:]
    return process.stdout


def _has_booktabs() -> bool:
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0
