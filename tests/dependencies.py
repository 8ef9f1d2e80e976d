#!/usr/bin/env python3
"""Licences, sources, bans and advisories of everything that Cargo.lock holds, by deny.toml; and whether docs/dependencies.md
gives a reason for every direct dependency, and every Cargo.lock is in step with its Cargo.toml.

cargo-deny does it where it is installed. Where it is not, licences, sources and bans are read here, without a network.
Advisories need cargo-deny and RustSec's database, from the network or from a clone that ADVISORY_DB names; where there is
none, that is said and is no failure (with ADVISORIES=required it is one).
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "https://github.com/RustSec/advisory-db"


def toml(name):
    return tomllib.loads((ROOT / name).read_text())


def allowed(expression, licences):
    """Whether one of the alternatives of an SPDX expression is made of allowed licences."""
    text = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    text = re.sub(r"(\S+) WITH (\S+)", r"\1_WITH_\2", text)
    words = {"OR": "or", "AND": "and", "(": "(", ")": ")"}
    python = " ".join(words.get(w) or str(w.replace("_WITH_", " WITH ") in licences) for w in text.split())
    return eval(python, {"__builtins__": {}})  # only or, and, parentheses, True and False are left


def read_here(deny):
    """What is wrong with licences, sources and bans."""
    licences = set(deny["licenses"]["allow"])
    banned = {entry["crate"]: entry["reason"] for entry in deny["bans"]["deny"]}
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    for package in metadata["packages"]:
        name = f'{package["name"]} {package["version"]}'
        if package["source"] is None:
            if not Path(package["manifest_path"]).is_relative_to(ROOT):
                yield f"{name}: comes from a path"
            continue
        if not package["source"].startswith("registry+"):
            yield f"{name}: does not come from the registry"
        if package["name"] in banned:
            yield f'{name}: banned: {banned[package["name"]]}'
        if not package["license"] or not allowed(package["license"], licences):
            yield f'{name}: licence {package["license"]} is not on the list'


def unreasoned():
    """Where the list of direct dependencies and Cargo.toml differ."""
    used = set()
    for path in [ROOT / "Cargo.toml", *ROOT.glob("crates/*/Cargo.toml")]:
        manifest = tomllib.loads(path.read_text())
        used |= set(manifest.get("dependencies", {})) | set(manifest.get("dev-dependencies", {}))
    used -= {path.name for path in ROOT.glob("crates/*")}
    text = (ROOT / "docs/dependencies.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    return [f"{name}: docs/dependencies.md gives no reason for it" for name in sorted(used - listed)] + [
        f"{name}: docs/dependencies.md has it, no Cargo.toml does" for name in sorted(listed - used)
    ]


def out_of_step():
    """Lock files that Cargo would change. The workspaces beside the main one are not built by the tests."""
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml", "benches/compare/rust/Cargo.toml"]:
        command = ["cargo", "metadata", "--locked", "--format-version=1", f"--manifest-path={manifest}"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            yield f"{manifest}: {run.stderr.strip()}"


def advisories():
    """Whether they were checked and are fine; None if they could not be checked."""
    environment = dict(os.environ)
    database = os.environ.get("ADVISORY_DB")
    if database:
        url = Path(database).resolve().as_uri()
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{url}.insteadOf",
            "GIT_CONFIG_VALUE_0": DATABASE,
        }
    run = lambda *arguments, **more: subprocess.run(["cargo", "deny", *arguments], cwd=ROOT, env=environment, **more)
    if not shutil.which("cargo-deny"):
        print("advisories: not checked: cargo-deny is not installed (cargo install --locked cargo-deny)")
        return None
    if run("fetch", "db", capture_output=True).returncode:
        print(f"advisories: not checked: no database at {database or DATABASE} (ADVISORY_DB names a clone of it)")
        return None
    return run("--locked", "--offline", "check", "advisories").returncode == 0


def main():
    wrong = unreasoned() + list(out_of_step())
    failed = False
    if shutil.which("cargo-deny"):
        command = ["cargo", "deny", "--locked", "check", "licenses", "bans", "sources"]
        failed = subprocess.run(command, cwd=ROOT).returncode != 0
    else:
        wrong += read_here(toml("deny.toml"))
        print("licences, sources and bans: read without cargo-deny, which is not installed")
    checked = advisories()
    if wrong:
        print("\n".join(wrong))
    failed |= bool(wrong) or checked is False or (checked is None and os.environ.get("ADVISORIES") == "required")
    print("dependencies: " + ("not fine" if failed else "fine"))
    sys.exit(failed)


main()
