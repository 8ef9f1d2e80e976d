//! The engines that keep a lease, started for a test: a cluster of etcd, and Azure's storage emulator.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use url::Url;

/// A process that is killed when it is dropped; none after it was taken.
pub struct Process(pub Option<Child>);

impl Process {
    pub fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    pub fn kill(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn has_ended(&mut self) -> bool {
        self.0.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ports that were free a moment ago. Members of a cluster must know one another's before they start.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A cluster of etcd.
pub struct EtcdCluster {
    pub members: Vec<Process>,
    pub endpoints: Vec<Url>,
    peers: Vec<u16>,
    folder: tempfile::TempDir,
}

impl EtcdCluster {
    /// Starts this many members and waits until they answer.
    pub fn start(count: usize) -> Self {
        // Somebody may have taken a port meanwhile.
        (0..5).find_map(|_| Self::try_start(count)).expect("etcd does not start")
    }

    fn try_start(count: usize) -> Option<Self> {
        let ports = free_ports(2 * count);
        let (clients, peers) = ports.split_at(count);
        let endpoints = clients.iter().map(|port| format!("http://127.0.0.1:{port}").parse().unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { members: Vec::new(), endpoints, peers: peers.to_vec(), folder };
        cluster.restart();
        let end = Instant::now() + PATIENCE;
        while !cluster.endpoints.iter().all(is_healthy) {
            if cluster.members.iter_mut().any(Process::has_ended) {
                return None;
            }
            assert!(Instant::now() < end, "etcd does not become healthy");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(cluster)
    }

    /// Starts the members that do not run, with the data that they had.
    pub fn restart(&mut self) {
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let names: Vec<_> =
            self.peers.iter().enumerate().map(|(number, port)| format!("m{number}={}", url(port))).collect();
        for (number, (client, peer)) in self.endpoints.iter().zip(&self.peers).enumerate() {
            if self.members.get_mut(number).is_some_and(|member| !member.has_ended()) {
                continue;
            }
            let (client, peer) = (client.as_str().trim_end_matches('/'), url(peer));
            let mut command = Command::new("etcd");
            command.args(["--name", &format!("m{number}"), "--logger", "zap", "--log-level", "error"]);
            command.arg("--data-dir").arg(self.folder.path().join(number.to_string()));
            command.args(["--listen-client-urls", client, "--advertise-client-urls", client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &names.join(","), "--unsafe-no-fsync"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let member = Process(Some(command.spawn().expect("etcd is not installed: apt-get install etcd-server")));
            match self.members.get_mut(number) {
                Some(ended) => *ended = member,
                None => self.members.push(member),
            }
        }
    }
}

fn is_healthy(endpoint: &Url) -> bool {
    let health = Command::new("curl").args(["-fsS", "-m", "2", endpoint.join("health").unwrap().as_str()]).output();
    health.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("true"))
}

/// Azure's storage emulator.
pub struct Azurite {
    pub process: Process,
    address: String,
    key: String,
    /// With a file for the URL of each blob.
    folder: tempfile::TempDir,
}

const ACCOUNT: &str = "account";
const CONTAINER: &str = "exporter";
/// The maximum time that an engine takes to start.
const PATIENCE: Duration = Duration::from_mins(3);

impl Azurite {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let script = "target/azurite/node_modules/azurite/dist/src/blob/main.js";
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        assert!(script.exists(), "Azurite is not installed: npm install --prefix target/azurite azurite");
        let key = BASE64_STANDARD.encode(fastrand::u128(..).to_be_bytes());
        let mut command = Command::new("node");
        command.arg(script).args([
            "--blobPort",
            "0",
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
        ]);
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{key}")).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("node is not installed");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let process = Process(Some(child));
        let address = loop {
            let line = lines.recv_timeout(PATIENCE).expect("Azurite does not start");
            if let Some((_, address)) = line.split_once("listens on ") {
                break address.trim().to_owned();
            }
        };
        std::thread::spawn(move || lines.iter().for_each(drop));
        let azurite = Self { process, address, key, folder: tempfile::tempdir().unwrap() };
        let container = format!("{}/{ACCOUNT}/{CONTAINER}?restype=container&{}", azurite.address, azurite.signature());
        let created = Command::new("curl")
            .args(["-fsS", "-m", "30", "-X", "PUT", "-H", "content-length: 0", &container])
            .output();
        let created = created.unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        azurite
    }

    fn blob_url(&self, blob: &str) -> String {
        format!("{}/{ACCOUNT}/{CONTAINER}/{blob}?{}", self.address, self.signature())
    }

    /// The path of a file with the URL of a blob and its signature.
    pub fn url_file(&self, blob: &str) -> String {
        let file = self.folder.path().join(blob);
        std::fs::write(&file, self.blob_url(blob)).unwrap();
        file.display().to_string()
    }

    /// `ha.lease` with the lease of a blob.
    pub fn lease(&self, blob: &str) -> String {
        format!("{{ azure_blob: {{ url_file: {} }} }}", self.url_file(blob))
    }

    /// Replaces a blob.
    pub fn put(&self, blob: &str, content: &str) {
        let put = ["-fsS", "-m", "10", "-X", "PUT", "-H", "x-ms-blob-type: BlockBlob", "--data-binary", content];
        assert!(Command::new("curl").args(put).arg(self.blob_url(blob)).status().unwrap().success());
    }

    /// The leader that the blob names.
    pub fn leader_of(&self, blob: &str) -> Option<String> {
        let output = Command::new("curl").args(["-sS", "-m", "10", "-I", &self.blob_url(blob)]).output().unwrap();
        let head = String::from_utf8_lossy(&output.stdout).to_lowercase();
        head.lines().find_map(|line| line.strip_prefix("x-ms-meta-leader: ")).map(|leader| leader.trim().to_owned())
    }

    /// A shared access signature of the account, as Azure documents it.
    fn signature(&self) -> String {
        let expiry = (Timestamp::now() + SignedDuration::from_hours(2)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (permissions, services, types, version) = ("rwdlac", "b", "sco", "2021-08-06");
        let signed = format!("{ACCOUNT}\n{permissions}\n{services}\n{types}\n\n{expiry}\n\nhttps,http\n{version}\n\n");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(&self.key).unwrap());
        let signature = BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("sv", version).append_pair("ss", services).append_pair("srt", types);
        query.append_pair("sp", permissions).append_pair("se", &expiry).append_pair("spr", "https,http");
        query.append_pair("sig", &signature);
        query.finish()
    }
}

/// A small stand-in for the Lease endpoint of Kubernetes' API server, which cannot be had here.
pub struct FakeKubernetes {
    pub process: Process,
    pub port: u16,
    /// The folder of the service account.
    pub service_account: tempfile::TempDir,
}

impl FakeKubernetes {
    /// Starts it with a certificate and a service account of its own.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(path("ca.crt"), certified.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("token"), "token-of-the-pod\n").unwrap();
        std::fs::write(path("namespace"), "monitoring\n").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slow/ha/kubernetes.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(path("ca.crt")).arg(path("key.pem")).arg("token-of-the-pod");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process: Process(Some(child)), port: line.trim().parse().unwrap(), service_account: folder }
    }

    /// `ha.lease` with a `Lease` of this name.
    pub fn lease(&self, name: &str) -> String {
        let folder = self.service_account.path().display();
        format!(
            "{{ kubernetes: {{ name: {name}, api_url: \"https://127.0.0.1:{}\", service_account: {folder} }} }}",
            self.port
        )
    }
}
