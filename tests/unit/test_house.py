"""Sizes of the house: long files and functions are designs asking for a second look."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES, ARGUMENTS = 300, 500, 60, 6
BANNED_WORDS = {"utils", "helpers", "common", "manager", "service", "handler", "processor", "base"}


def python_files() -> list[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_sizes_and_names(path: Path) -> None:
    relative = path.relative_to(ROOT)
    text = path.read_text()
    limit = TEST_FILE_LINES if relative.parts[0] == "tests" else FILE_LINES
    assert len(text.splitlines()) <= limit, f"{relative} has more than {limit} lines"
    assert not BANNED_WORDS & set(path.stem.lower().split("_")), f"{relative}: say what it is, not that it is one"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{relative}:{node.lineno} {node.name} has {lines} lines"
            arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
            if relative.parts[0] != "tests":
                assert len(arguments) <= ARGUMENTS, f"{relative}:{node.lineno} {node.name}: {arguments}"


def test_the_size_rule_bites(tmp_path: Path) -> None:
    long = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES + 1)
    node = ast.parse(long).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
