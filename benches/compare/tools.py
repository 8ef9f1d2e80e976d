"""What the comparison needs: Debian packages by name, and the builds of all contestants."""
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
BUILD = PROJECT / "target/compare"
GOCODE = Path("/usr/share/gocode")


def run(*command, **arguments):
    subprocess.run([str(part) for part in command], check=True, **arguments)


def install(peers):
    """Installs what is missing through apt, and says so."""
    packages = []
    if not shutil.which("cc"):
        packages += ["gcc", "libc6-dev"]
    if peers and not shutil.which("nginx"):
        packages += ["nginx-light"]
    if peers and not shutil.which("go"):
        packages += ["golang-go"]
    if peers and not (GOCODE / "src/github.com/prometheus/client_golang").exists():
        packages += ["golang-github-prometheus-client-golang-dev"]
    if packages:
        print("installing Debian packages:", *packages, flush=True)
        run("apt-get", "update", "-qq")
        # The packages' services stay off; the script starts its own on ports of its own.
        environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages,
            env=environment, stdout=subprocess.DEVNULL)


def exporter():
    """The binary as it is shipped."""
    print("building the exporter (profile dist)", flush=True)
    run("cargo", "build", "--quiet", "--locked", "--profile=dist", cwd=PROJECT)
    return Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "dist/avepoint_exporter"


def peers():
    """The folder with the programs of rust/ and go/."""
    BUILD.mkdir(parents=True, exist_ok=True)
    print("building the Rust peers and the load client", flush=True)
    run("cargo", "build", "--quiet", "--locked", "--release",
        env={**os.environ, "CARGO_TARGET_DIR": str(BUILD / "rust")}, cwd=HERE / "rust")
    print("building the Go peer, with Debian's packages alone", flush=True)
    run("go", "build", "-o", BUILD / "client_golang", ".", cwd=HERE / "go",
        env={**os.environ, "GO111MODULE": "off", "GOPATH": str(GOCODE), "GOFLAGS": ""})
    return BUILD


def versions():
    """What was compared, in words."""
    def said(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return (done.stdout + done.stderr).strip()

    lock = (HERE / "rust/Cargo.lock").read_text()

    def locked(crate):
        return lock.split(f'name = "{crate}"\nversion = "', 1)[1].split('"', 1)[0]

    golang = said("dpkg-query", "-W", "-f=${Version}", "golang-github-prometheus-client-golang-dev")
    return (f"nginx {said('nginx', '-v').rpartition('/')[2]}; client_golang {golang.partition('-')[0]} with "
            f"{said('go', 'version').split()[2].replace('go', 'Go ')}; the crates prometheus {locked('prometheus')} and "
            f"prometheus-client {locked('prometheus-client')} with {' '.join(said('rustc', '--version').split()[:2])}, "
            f"axum {locked('axum')} and flate2 {locked('flate2')}")


def machine():
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown processor")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {os.uname().release.partition('-')[0]}"
