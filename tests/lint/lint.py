#!/usr/bin/env python3
"""Checks of our own rules on the source tree; tests/lint/run-lint runs them and the outside tools.

usage: lint.py files PATTERN...   prints the source files whose names match, one a line
       lint.py CHECK              runs one check: layers, length, names, comments, skips, text,
                                  links
"""
import fnmatch
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# LINT_ROOT is for the test of this script.
ROOT = os.path.abspath(os.environ.get("LINT_ROOT") or os.path.join(HERE, "..", ".."))

MAX_FILE_LINES = 1000
MAX_COLUMNS = 100
TAB_COLUMNS = 8
MAX_FUNCTION_LINES = 70
MAX_PARAMETERS = 5
# Functions of the system for which a test stands in, as they are.
SYSTEM_FUNCTIONS = {"mmap"}

# Who may include what: for each folder, the include prefixes of our own headers it may use. A
# header without a folder in its name belongs to the including folder itself.
LAYERS = {
    "libcrypto-util/util": {"util", "crypto"},
    "libcrypto-util/crypto": {"util", "crypto"},
    "libproto/tls": {"util", "crypto", "tls"},
    "libproto/rpc": {"util", "crypto", "proto", "tls", "rpc"},
    "libproto/client": {"util", "crypto", "proto", "tls", "rpc", "client"},
    "libproto/cli": {"util", "crypto", "tls", "client", "cli"},
    "libproto/http": {"util", "crypto", "tls", "http"},
    "immudb/store": {"util", "crypto", "store"},
    "immudb/meta": {"util", "crypto", "meta"},
    "immudb/server": {"util", "crypto", "proto", "tls", "rpc", "http", "store", "meta", "server"},
    "immudb": {"util", "crypto", "proto", "tls", "rpc", "http", "store", "meta", "server"},
    "immuclient": {"util", "crypto", "proto", "tls", "rpc", "client", "cli", "http"},
    "immuadmin": {"util", "crypto", "proto", "tls", "rpc", "client", "cli", "http"},
    "immugw": {"util", "crypto", "proto", "tls", "rpc", "client", "cli", "http"},
    "auditor": {"util", "crypto", "proto", "tls", "rpc", "client", "cli", "http"},
}
# Outside headers that only one folder may include.
OWNED_HEADERS = (
    (re.compile(r"^nng/"), {"libproto/rpc"}),
    (re.compile(r"^sqlite3\.h$"), {"immudb/meta"}),
    (re.compile(r"^civetweb\.h$"), {"libproto/http"}),
    (re.compile(r"^curl/"), {"auditor"}),
    (re.compile(r"^archive(_entry)?\.h$"), {"immuadmin"}),
    (re.compile(r"^protobuf-c/|\.pb-c\.h$"),
     {"libproto/rpc", "libproto/client", "immudb/server", "immuclient", "immuadmin", "immugw",
      "auditor"}),
)
# libcrypto-util/crypto computes and nothing else.
IO_CALL = re.compile(r"\b(fopen|open|openat|read|write|pread|pwrite|fread|fwrite|"
                     r"socket|connect|BIO_new_file)\s*\(")
# Words of unfinished work, and paths of one machine; put together here so that this file passes.
UNFINISHED = re.compile(r"\b(" + "|".join(
    ["TO" + "DO", "FIX" + "ME", "X" + "XX", "place" + "holder"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}*-])/(" + "|".join(["wor" + "k", "roo" + "t", "tmp/" + "w"])
                          + r")(?![\w-])")

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


def tree_files():
    """Every file of the project, tracked or new, relative to ROOT."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        names = listed.stdout.decode().split("\0")
    else:
        names = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [f for f in folders if f not in ("build", ".git")]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(ROOT, n)))


def read_lines(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as text:
        return text.read().split("\n")


def sources(*patterns):
    for path in tree_files():
        if any(fnmatch.fnmatch(os.path.basename(path), pattern) for pattern in patterns):
            yield path


def folder_of(path):
    """The longest folder of LAYERS that holds path, or None."""
    folder = os.path.dirname(path)
    while folder and folder not in LAYERS:
        folder = os.path.dirname(folder)
    return folder or None


def check_include(path, number, name, quoted):
    folder = folder_of(path)
    if ".." in name.split("/"):
        problem(path, number, f"include of {name} leaves its folder")
    if name.endswith(".c"):
        problem(path, number, f"include of a .c file: {name}")
    for pattern, owners in OWNED_HEADERS:
        if pattern.search(name) and folder not in owners:
            problem(path, number, f"{name} may be included only in {', '.join(sorted(owners))}")
    if quoted and "/" in name and name.split("/")[0] not in LAYERS[folder]:
        problem(path, number, f"{folder} may not include {name}")


def check_layers():
    """Includes point down only (ARCHITECTURE.md, "Layers")."""
    for path in sources("*.c", "*.h", "*.def"):
        if folder_of(path) is None or path.startswith("tests/"):
            continue
        for number, line in enumerate(read_lines(path), 1):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if match:
                check_include(path, number, match.group(2), match.group(1) == '"')
            if path.startswith("libcrypto-util/crypto/") and IO_CALL.search(line):
                problem(path, number, "input or output in libcrypto-util/crypto")


def count_parameters(text):
    """The number of parameters in "name(a, b)": commas at depth one."""
    depth = commas = 0
    inside = ""
    for char in text[text.index("("):]:
        depth += char == "("
        depth -= char == ")"
        if depth == 0:
            break
        commas += char == "," and depth == 1
        inside += char
    return 0 if inside[1:].strip() in ("", "void") else commas + 1


def check_functions(path, lines):
    """A body opens with { alone in column 0 and closes with } in column 0; the format is checked."""
    for number, line in enumerate(lines):
        if line != "{":
            continue
        first = number - 1
        while first > 0 and not re.match(r"\w+\(", lines[first]):
            first -= 1
        last = number
        while last < len(lines) - 1 and not lines[last].startswith("}"):
            last += 1
        name = lines[first].split("(")[0]
        if last - first + 1 > MAX_FUNCTION_LINES:
            problem(path, first + 1, f"{name} has {last - first + 1} lines, more than "
                    f"{MAX_FUNCTION_LINES}")
        parameters = count_parameters(" ".join(lines[first:number]))
        if parameters > MAX_PARAMETERS and name not in SYSTEM_FUNCTIONS:
            problem(path, first + 1, f"{name} takes {parameters} parameters, more than "
                    f"{MAX_PARAMETERS}")


def check_columns(path, lines):
    """Texts in quotes are not broken, nor are the tables in comments, which a tab sets off."""
    for number, line in enumerate(lines, 1):
        if '"' in line or re.match(r"\t* \*\t", line):
            continue
        columns = len(line.expandtabs(TAB_COLUMNS))
        if columns > MAX_COLUMNS:
            problem(path, number, f"{columns} columns, more than {MAX_COLUMNS}")


def check_length():
    """Lines, files, functions and parameter lists stay short."""
    for path in sources("*.c", "*.h"):
        lines = read_lines(path)
        if len(lines) - 1 > MAX_FILE_LINES:
            problem(path, 0, f"{len(lines) - 1} lines, more than {MAX_FILE_LINES}")
        check_columns(path, lines)
        if path.endswith(".c"):
            check_functions(path, lines)


def check_names():
    """C file names are unique in the tree; each program has a main.c."""
    seen = {}
    for path in sources("*.c", "*.h"):
        name = os.path.basename(path)
        if name in seen and name != "main.c":
            problem(path, 0, f"has the same name as {seen[name]}")
        seen[name] = path


def check_comments():
    """Each .c opens with a comment that says what it is for (the name of a unit test says that);
    each header has its include guard; files that a comment names are there."""
    for path in sources("*.c"):
        if path.startswith("tests/unit/"):
            continue
        if not read_lines(path)[0].startswith("/*"):
            problem(path, 1, "does not open with a comment")
    for path in sources("*.h"):
        text = "\n".join(read_lines(path))
        if not re.search(r"^#ifndef (\w+)\n#define \1\n", text, re.M):
            problem(path, 1, "has no include guard")
    known = {os.path.basename(path) for path in tree_files()}
    for path in sources("*.c", "*.h"):
        if path.startswith("tests/"):
            continue
        for number, line in enumerate(read_lines(path), 1):
            if re.match(r"\s*(/\*| \*)", line):
                for name in re.findall(r"\b[a-z]\w*\.(?:c|def|md)\b", line):
                    if name not in known:
                        problem(path, number, f"names a file that is not there: {name}")


def check_skips():
    """A unit test that is skipped says why."""
    for path in sources("*.c"):
        for number, line in enumerate(read_lines(path), 1):
            if re.search(r"\bskip\(\)", line):
                problem(path, number, "skips without a reason: skip_because() gives one")


def check_text():
    """No trailing blanks, carriage returns, unfinished work or machine paths in text files."""
    for path in tree_files():
        with open(os.path.join(ROOT, path), "rb") as file:
            data = file.read()
        if b"\0" in data or path.startswith(("tests/vectors/", "tests/fuzz/corpus/")):
            continue
        if data and not data.endswith(b"\n"):
            problem(path, 0, "does not end with a newline")
        for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
            if line != line.rstrip():
                problem(path, number, "trailing blank")
            if UNFINISHED.search(line):
                problem(path, number, f"unfinished: {line.strip()}")
            if MACHINE_PATH.search(line):
                problem(path, number, f"path of one machine: {line.strip()}")


def check_links():
    """Relative links of the documents lead to something."""
    for path in sources("*.md"):
        for number, line in enumerate(read_lines(path), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                file = target.split("#")[0]
                if re.match(r"[a-z]+:", target) or not file:
                    continue
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(path), file)):
                    problem(path, number, f"link to nothing: {target}")


CHECKS = {"layers": check_layers, "length": check_length, "names": check_names,
          "comments": check_comments, "skips": check_skips, "text": check_text,
          "links": check_links}


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "files":
        print("\n".join(sources(*sys.argv[2:])))
        return 0
    if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    CHECKS[sys.argv[1]]()
    for line in problems:
        print(line)
    return 1 if problems else 0


sys.exit(main())
