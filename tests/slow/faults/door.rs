//! A TCP proxy between the exporter and the simulator that can refuse connections, pass bytes one by one, or speak TLS.
//! Its address never changes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// The mode of the proxy.
#[derive(Clone, Debug)]
pub struct State {
    /// Connections are refused.
    pub open: bool,
    /// The delay between two bytes of the response, headers included.
    pub drip: Option<Duration>,
    /// Every response has header lines that violate the grammar.
    pub odd_headers: bool,
    /// Nothing is passed on; clients get 1xx responses without end.
    pub flood: bool,
    /// Plain HTTP if not set.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A proxy that runs until it is dropped.
pub struct Door {
    pub address: SocketAddr,
    state: watch::Sender<State>,
    serving: JoinHandle<()>,
    /// Bound but never listening: reserves the port while connections are refused.
    _held: Socket,
}

impl Door {
    /// A proxy to an address.
    pub fn new(runtime: &Handle, to: SocketAddr, state: State) -> Self {
        let held = socket(0).unwrap();
        let address = held.local_addr().unwrap().as_socket().unwrap();
        let (state, mut changed) = watch::channel(state);
        let _context = runtime.enter();
        let serving = runtime.spawn(async move {
            loop {
                let state = changed.borrow_and_update().clone();
                // Every change closes the existing connections.
                tokio::select! {
                    () = serve(address.port(), to, state) => {}
                    _ = changed.changed() => {}
                }
            }
        });
        Self { address, state, serving, _held: held }
    }

    /// Sets the mode.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Bound to a port of loopback; 0 is any port.
fn socket(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))?;
    Ok(socket)
}

fn listener(port: u16) -> io::Result<TcpListener> {
    let socket = socket(port)?;
    socket.listen(128)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

async fn serve(port: u16, to: SocketAddr, state: State) {
    if !state.open {
        return std::future::pending().await;
    }
    let listener = loop {
        match listener(port) {
            Ok(listener) => break listener,
            // A process that is being started holds a closed descriptor for a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let state = state.clone();
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(server) = TcpStream::connect(to).await else { return };
            let _ = server.set_nodelay(true);
            match &state.tls {
                None => pass(stream, server, &state).await,
                Some(tls) => {
                    if let Ok(stream) = TlsAcceptor::from(tls.clone()).accept(stream).await {
                        pass(stream, server, &state).await;
                    }
                }
            }
        });
    }
}

/// After the status line: no colon, a space before it, no name, a folded line, a control character, and very many.
fn odd_headers() -> String {
    let many = (0..200).fold(String::new(), |lines, number| lines + &format!("x-policy-{number}: applied\r\n"));
    format!("no colon\r\nx-space : yes\r\n: nameless\r\nx-folded: one\r\n  two\r\nx-bell: \u{7}\r\n{many}")
}

/// Copies bytes until either side ends.
async fn pass(client: impl AsyncRead + AsyncWrite, server: TcpStream, state: &State) {
    let drip = state.drip;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    if state.flood {
        let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(50);
        while let Ok(1..) = from_client.read(&mut [0; 1024]).await {
            while to_client.write_all(hints.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        return;
    }
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut buffer = vec![0; if drip.is_some() { 1 } else { 64 * 1024 }];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            let mut passed = buffer[..read].to_vec();
            if state.odd_headers
                && passed.starts_with(b"HTTP/1.1 ")
                && let Some(end) = passed.windows(2).position(|two| two == b"\r\n")
            {
                passed.splice(end + 2..end + 2, odd_headers().into_bytes());
            }
            if to_client.write_all(&passed).await.is_err() || to_client.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(drip.unwrap_or_default()).await;
        }
        let _ = to_client.shutdown().await;
    };
    let forth = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    tokio::select! {
        () = back => {}
        () = forth => {}
    }
}

/// A CA, and the TLS settings of servers with its certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// For `ca_file`.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server on loopback with a certificate that expires in a year; with `http2` it speaks only HTTP/2.
    pub fn server(&self, ends_in: i32, http2: bool) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(ends_in, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        if http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        Arc::new(config)
    }
}
