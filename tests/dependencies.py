#!/usr/bin/env python3
"""Licences, sources and bans of everything that Cargo.lock holds. Needs no network once the crates are there."""
import json
import re
import subprocess
import sys

LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}
BANNED = {
    "serde_yaml": "archived; yaml_serde stands behind its name",
    "backoff": "RUSTSEC-2025-0012; backon stands behind its name",
    "openssl-sys": "TLS is rustls with ring",
    "native-tls": "TLS is rustls with ring",
    "aws-lc-sys": "TLS is rustls with ring, which builds in a fraction of the time",
    "rsa": "RUSTSEC-2023-0071; ring signs",
}


def allowed(expression):
    """Whether one of the alternatives of an SPDX expression is made of allowed licences."""
    text = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    text = re.sub(r"(\S+) WITH (\S+)", r"\1_WITH_\2", text)
    words = {"OR": "or", "AND": "and", "(": "(", ")": ")"}
    python = " ".join(words.get(w) or str(w.replace("_WITH_", " WITH ") in LICENCES) for w in text.split())
    return eval(python, {"__builtins__": {}})  # only or, and, parentheses, True and False are left


def main():
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    wrong = []
    for package in metadata["packages"]:
        name = f'{package["name"]} {package["version"]}'
        if package["source"] is None:
            if package["name"] != "avepoint-exporter":
                wrong.append(f"{name}: comes from a path")
            continue
        if not package["source"].startswith("registry+"):
            wrong.append(f'{name}: does not come from the registry')
        if package["name"] in BANNED:
            wrong.append(f'{name}: banned: {BANNED[package["name"]]}')
        if not package["license"] or not allowed(package["license"]):
            wrong.append(f'{name}: licence {package["license"]} is not on the list')
    print("\n".join(wrong) or f'{len(metadata["packages"])} packages: licences, sources and bans are fine')
    print("not checked here: advisories, which need a database from the network")
    sys.exit(bool(wrong))


main()
