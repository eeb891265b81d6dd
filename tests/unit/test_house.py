"""Sizes of the house: long files and functions are designs asking for a second look."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES, ARGUMENTS = 300, 500, 60, 6
BANNED_WORDS = {"utils", "helpers", "common", "manager", "service", "handler", "processor", "base"}


def python_files() -> list[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def test_sizes_and_names() -> None:
    files = python_files()
    assert len(files) > 100
    assert [fault for file in files for fault in faults(file.relative_to(ROOT), file.read_text())] == []


def faults(relative: Path, text: str) -> list[str]:
    """What is too long, or says nothing, in one file."""
    tested = relative.parts[0] == "tests"
    found: list[str] = []
    limit = TEST_FILE_LINES if tested else FILE_LINES
    if len(text.splitlines()) > limit:
        found.append(f"{relative} has more than {limit} lines")
    if BANNED_WORDS & set(relative.stem.lower().split("_")):
        found.append(f"{relative}: say what it is, not that it is one")
    for function in functions(ast.parse(text)):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        arguments = [
            a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in ("self", "cls")
        ]
        if lines > FUNCTION_LINES:
            found.append(f"{relative}:{function.lineno} {function.name} has {lines} lines")
        if len(arguments) > ARGUMENTS and not tested:
            found.append(f"{relative}:{function.lineno} {function.name}: {arguments}")
    return found


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a tree; expressions hold none, and most of a tree is expressions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from functions(child)


def test_the_rules_bite() -> None:
    long = (
        "if x:\n  try:\n    y\n  except E:\n    class C:\n      async def f(self):\n"
        + "        x = 1\n" * FUNCTION_LINES
    )
    wide = "match x:\n  case 1:\n    def g(self, a, b, c, d, e, f, h): ...\n"
    assert faults(Path("app/utils.py"), long + wide) == [
        "app/utils.py: say what it is, not that it is one",
        f"app/utils.py:6 f has {FUNCTION_LINES + 1} lines",
        f"app/utils.py:{FUNCTION_LINES + 9} g: {['a', 'b', 'c', 'd', 'e', 'f', 'h']}",
    ]
    assert faults(Path("app/a.py"), "x = 1\n" * (FILE_LINES + 1)) == ["app/a.py has more than 300 lines"]
    assert faults(Path("tests/test_a.py"), "x = 1\n" * TEST_FILE_LINES + wide.replace("x:", "y:")) == [
        "tests/test_a.py has more than 500 lines"
    ]
