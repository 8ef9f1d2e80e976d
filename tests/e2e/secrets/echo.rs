//! A server and a proxy that echo everything they receive: secrets in bodies, headers, redirects.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How an endpoint responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Correctly.
    Right,
    /// With this status, and an echo in a JSON message.
    Status(u16),
    /// 302 to a host that is the secret.
    Redirect,
    /// 200 with a page that begins with the secret.
    Html,
    /// 200 with JSON of another structure, with the secret as its values.
    Shape,
    /// 200 with a truncated body.
    BreaksOff,
}

/// Listens for as long as the process lives.
pub struct Echo {
    pub address: String,
    answers: Arc<Mutex<(Answer, Answer)>>,
    heard: Arc<Mutex<String>>,
}

impl Echo {
    /// With this access token, and a customer.
    pub fn start(token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let echo =
            Self { address, answers: Arc::new(Mutex::new((Answer::Right, Answer::Right))), heard: Arc::default() };
        let (answers, heard) = (Arc::clone(&echo.answers), Arc::clone(&echo.heard));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, heard) = (Arc::clone(&answers), Arc::clone(&heard));
                std::thread::spawn(move || answer(stream, token, &answers, &heard));
            }
        });
        echo
    }

    /// Sets how the identity service and the API respond from now on.
    pub fn answers(&self, identity: Answer, api: Answer) {
        *self.answers.lock().unwrap() = (identity, api);
    }

    /// All requests so far.
    pub fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

/// One request and its response; then the connection ends.
fn answer(mut stream: TcpStream, token: &str, answers: &Mutex<(Answer, Answer)>, log: &Mutex<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    log.lock().unwrap().push_str(&format!("{head}{body}\n"));
    let is_identity = head.lines().next().unwrap_or_default().contains("/connect/token");
    let said = answers.lock().unwrap();
    let how = if is_identity { said.0 } else { said.1 };
    drop(said);

    // The received secret: of the form, decoded, or the bearer token.
    let field = |line: &str| line.split_once(": ").map(|(_, value)| value.trim().to_owned());
    let bearer = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).and_then(field);
    let secret = if is_identity {
        let mut fields = url::form_urlencoded::parse(body.as_bytes());
        fields.find(|(name, _)| name == "client_secret").map(|(_, value)| value.into_owned()).unwrap_or_default()
    } else {
        bearer.unwrap_or_default().trim_start_matches("Bearer ").to_owned()
    };
    // The proxy credentials come first, because a message is cut.
    let proxy: String = head.split_inclusive('\n').filter(|line| line.starts_with("proxy-")).collect();
    let in_html = secret.replace('&', "&amp;");
    // As .NET writes JSON, nested in the JSON that follows.
    let in_json = secret.replace('&', r"\u0026").replace('+', r"\u002B");
    // Inside a longer encoded text, and shortened as some logs do.
    let in_base64 =
        ["", "x", "xy"].map(|before| BASE64_STANDARD.encode(format!("{before}{secret}:{secret}"))).join(" ");
    let beginning = secret.get(..50).unwrap_or_default();
    let message =
        format!("{secret} {in_html} {in_json} {beginning}... {in_base64} {proxy} {head} {body} {}", "x".repeat(150));
    let (status, text) = match how {
        Answer::Right if is_identity => {
            (200, serde_json::json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).to_string())
        }
        Answer::Right => (200, right(&head)),
        Answer::Status(status) => (
            status,
            serde_json::json!({"error": "invalid_client", "error_description": message, "message": message})
                .to_string(),
        ),
        Answer::Redirect => (302, secret.clone()),
        Answer::Html => (200, format!("<{secret}>{message}")),
        Answer::Shape => (
            200,
            serde_json::json!({"token_type": secret, "access_token": secret, "data": secret, secret.as_str(): secret})
                .to_string(),
        ),
        Answer::BreaksOff => (200, format!("{{\"data\":\"{secret}")),
    };
    let promised = text.len() + if how == Answer::BreaksOff { 9 } else { 0 };
    // A valid host is also a valid id.
    let is_host = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let host = if secret.chars().all(is_host) { secret.as_str() } else { "none" };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} {host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {promised}\r\n\
         location: https://{host}.example.com/?{host}\r\nx-request-id: {host}\r\nwww-authenticate: Bearer {secret}\r\n\
         set-cookie: session={secret}\r\n\r\n{text}"
    );
}

fn right(head: &str) -> String {
    let path = head.lines().next().unwrap_or_default();
    if path.contains("/customers/services/batch") {
        let product = serde_json::json!({"service": "Fly", "purchasedUserSeats": "20"});
        return serde_json::json!({
            "data": [{"customerId": "c-1", "organization": "Contoso", "products": [product]}],
            "metadata": {"pageIndex": 1, "pageSize": 100, "totalCount": 1},
        })
        .to_string();
    }
    if path.contains("/tenants/batch") {
        return r#"{"data": []}"#.to_owned();
    }
    r#"{"purchasedUserSeat": 20, "assignedUserSeat": 14, "availableUserSeat": 6}"#.to_owned()
}
