//! A peer for the comparison: holds the gauges of an exposition in a Rust client library, and serves them as its users
//! would.
//!
//! `compare prometheus
//! prometheus-client FILE` prints the address it listens on. `GET /metrics` formats all series, and compresses them for
//! clients that accept gzip, as users of these libraries do. `GET /changes/N` sets N gauges per second from then on.

mod series;

use std::env;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use series::Item;

/// One of this many series is among those that change.
const STRIDE: usize = 97;
const CHANGES_A_SECOND: u64 = 10;

type Encode = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;
type Set = Box<dyn Fn(f64) + Send>;

/// A library that holds the series: a function that formats them, and some gauges to set.
struct Filled {
    encode: Encode,
    content_type: &'static str,
    changing: Vec<Set>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [library, file] = arguments.as_slice() else {
        return Err("usage: compare prometheus|prometheus-client FILE".into());
    };
    let text = BufReader::with_capacity(1 << 20, File::open(file)?);
    let filled = match library.as_str() {
        "prometheus" => prometheus(text)?,
        "prometheus-client" => prometheus_client(text)?,
        other => return Err(format!("there is no library {other}").into()),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(filled))
}

fn prometheus(text: impl std::io::BufRead) -> Result<Filled, Box<dyn std::error::Error>> {
    use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};
    let registry = Registry::new();
    let (mut family, mut vec): (Option<(String, String)>, Option<GaugeVec>) = (None, None);
    let mut changing: Vec<Set> = Vec::new();
    let mut count = 0_usize;
    series::read(text, |item| match item {
        Item::Family { name, help } => (family, vec) = (Some((name, help)), None),
        Item::Series(series) => {
            let vec = vec.get_or_insert_with(|| {
                let (name, help) = family.take().unwrap_or_default();
                let names: Vec<_> = series.labels.iter().map(|(name, _)| *name).collect();
                let vec = GaugeVec::new(Opts::new(name, help), &names).expect("a family of the exporter is valid");
                registry.register(Box::new(vec.clone())).expect("each family is there once");
                vec
            });
            let values: Vec<_> = series.labels.iter().map(|(_, value)| value.as_str()).collect();
            let gauge = vec.with_label_values(&values);
            gauge.set(series.value);
            count += 1;
            if count.is_multiple_of(STRIDE) {
                changing.push(Box::new(move |value| gauge.set(value)));
            }
        }
    })?;
    let encode = move || {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).expect("writing to memory");
        text
    };
    Ok(Filled { encode: Arc::new(encode), content_type: "text/plain; version=0.0.4", changing })
}

fn prometheus_client(text: impl std::io::BufRead) -> Result<Filled, Box<dyn std::error::Error>> {
    type Gauges = Family<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>;
    let mut registry = prometheus_client::registry::Registry::default();
    let mut gauges = Gauges::default();
    let mut changing: Vec<Set> = Vec::new();
    let mut count = 0_usize;
    series::read(text, |item| match item {
        Item::Family { name, help } => {
            gauges = Gauges::default();
            registry.register(name, help, gauges.clone());
        }
        Item::Series(series) => {
            let gauge = gauges.get_or_create_owned(&series.labels);
            gauge.set(series.value);
            count += 1;
            if count.is_multiple_of(STRIDE) {
                changing.push(Box::new(move |value| {
                    gauge.set(value);
                }));
            }
        }
    })?;
    let encode = move || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("writing to memory");
        text.into_bytes()
    };
    Ok(Filled {
        encode: Arc::new(encode),
        content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
        changing,
    })
}

async fn serve(filled: Filled) -> Result<(), Box<dyn std::error::Error>> {
    let Filled { encode, content_type, changing } = filled;
    let rate = Arc::new(AtomicU64::new(0));
    let wanted = rate.clone();
    thread::spawn(move || change(&changing, &wanted));
    let metrics = move |headers: HeaderMap| async move {
        let text = encode();
        let gzip = headers.get(header::ACCEPT_ENCODING).is_some_and(|accepted| accepted.as_bytes() == b"gzip");
        if !gzip {
            return ([(header::CONTENT_TYPE, content_type)], text).into_response();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&text).expect("writing to memory");
        let body = gzip.finish().expect("writing to memory");
        ([(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, "gzip")], body).into_response()
    };
    let changes = move |Path(changes): Path<u64>| async move { rate.store(changes, Ordering::Relaxed) };
    let router = Router::new().route("/metrics", get(metrics)).route("/changes/{n}", get(changes));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

/// Sets the requested number of gauges per second, forever.
fn change(gauges: &[Set], wanted: &AtomicU64) {
    let mut all = gauges.iter().cycle();
    for turn in 0_u32.. {
        thread::sleep(Duration::from_millis(1000 / CHANGES_A_SECOND));
        for _ in 0..wanted.load(Ordering::Relaxed).div_ceil(CHANGES_A_SECOND) {
            if let Some(set) = all.next() {
                set(f64::from(turn));
            }
        }
    }
}
