"""The tables, and where documents show them."""
from scrapes import CHANGES, CHANGING, ENCODINGS, QUIET, Kind
from tools import PROJECT

EXPORTER, LIMIT = "avepoint_exporter", "nginx"
PEERS = ("client_golang", "prometheus", "prometheus-client")


def write(document, name, text):
    """Puts a text between the document's marks of that name."""
    path = PROJECT / document
    begin, end = f"<!-- {name}: written by benches/compare/run -->\n", f"<!-- {name}: end -->\n"
    before, found, rest = path.read_text().partition(begin)
    old, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"{document} has no place for the table: {begin}{end}")
    path.write_text(f"{before}{begin}{text.rstrip()}\n{end}{after}")
    print(f"written: {document}", flush=True)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def duration(seconds):
    for unit, least in (("s", 1), ("ms", 1e-3)):
        if seconds >= least:
            return f"{three(seconds / least)} {unit}"
    return f"{three(seconds * 1e6)} µs"


def size(count):
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{three(count / least)} {unit}"
    return f"{count:.0f} B"


def three(number):
    """Three digits that mean something."""
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def times(ratio):
    return f"{three(ratio)} ×"


def scrape_tables(result):
    """Everything about one number of series."""
    present = [name for name in (EXPORTER, LIMIT, *PEERS) if name in result.resident]
    rows = []
    for kind in (*QUIET, *CHANGING):
        if (kind, EXPORTER) in result.times:
            rows.append([str(kind), *(scrape_cell(result, kind, name) for name in present)])
    text = f"### {result.label} series\n\n{result.series:,} series of the simulated partner.\n\n"
    text += table(["scrape", *present], rows)
    text += "\n" + table(["", *present], resources(result, present))
    answers = " and ".join(f"{duration(cpu)} at {rate} a second" for rate, cpu in result.cpu_per_answer.items())
    text += (f"\nCPU time of the exporter for each answer it reads, from asking to publishing, everything else it does "
             f"meanwhile included: {answers}. Everything was known {duration(result.filled)} after its start.\n")
    return text


def scrape_cell(result, kind, name):
    mine = result.times.get((kind, name))
    if mine is None:
        return "not measured"
    cell = f"{duration(mine.median)} (p99 {duration(mine.p99)})"
    against = {EXPORTER: LIMIT, LIMIT: None}.get(name, EXPORTER)
    other = result.times.get((kind, against))
    if other is None:
        return cell
    ratio = times(mine.ratio(other))
    return f"{cell}, **{ratio}** nginx" if name == EXPORTER else f"{cell}, **{ratio}** ours"


def resources(result, present):
    rows = []
    for encoding in ENCODINGS:
        kind = Kind(encoding)
        word = "gzip" if encoding == "gzip" else "plain"
        mine = {name: result.times[kind, name] for name in present}
        rows.append([f"CPU time of a {word} scrape", *(duration(mine[name].cpu_each) for name in present)])
        rows.append([f"bytes of a {word} scrape", *(size(mine[name].bytes) for name in present)])
    for word, bytes_of in (("resident", result.resident), ("resident at most", result.most)):
        cells = []
        for name in present:
            each = f", {bytes_of[name] / result.series:.0f} B a series" if name != LIMIT else ""
            cells.append(size(bytes_of[name]) + each)
        rows.append([word, *cells])
    return rows


def summary(results):
    """A few lines: ratios, of single scrapes over a kept connection."""
    rows = []
    for result in results:
        for encoding in ENCODINGS:
            quiet, changing = Kind(encoding), Kind(encoding, changing=True)
            mine, busy = result.times[quiet, EXPORTER], result.times[changing, EXPORTER]
            row = [f"{result.label}, {'gzip' if encoding == 'gzip' else 'plain'}", duration(mine.median)]
            for name in (LIMIT, *PEERS):
                other = result.times.get((quiet, name))
                row.append("-" if other is None else times(mine.ratio(other) if name == LIMIT else other.ratio(mine)))
            row.append(times(busy.p99 / mine.p99))
            row.append(f"{result.resident[EXPORTER] / result.series:.0f} B")
            rows.append(row)
    head = ["series", "a scrape", "of nginx's time for the same bytes", *(f"faster than {name}" for name in PEERS),
            "p99 under constant change, of the quiet one", "resident, each series"]
    return table(head, rows)


def how(versions, machine, date):
    """What the reader must know to judge the tables."""
    return f"""Measured on {date} with {machine}. {versions}.

- A scrape is timed from before its request is written until the last byte is read, and is not decompressed. The connection
  is kept, unless the line says "new connections": then connecting counts. Everything is on one machine, over loopback, the
  client included, which takes its share of the cores.
- All hold the same series: those of the exporter's own exposition, counters and histograms left out. nginx sends the
  exporter's own bytes from files, text with `sendfile`, gzip by `gzip_static`; its files count as page cache, not as resident.
- The contestants take turns, {len(QUIET) + len(CHANGING)} kinds of scrapes in several rounds. Times are medians of all scrapes; a ratio is
  the median over the rounds of the ratio of their medians. With few scrapes (long ones), p99 is the slowest.
- "Constant change": the exporter reads {CHANGES} new answers a second from its simulated API, which shares the cores; the client
  libraries are set as many new values; nginx's files stay as they are.
- "resident" is read after scrapes by one at a time, "at most" is the peak of the whole run, 32 scrapers included (beyond
  300,000 series the client libraries have only one).
"""
