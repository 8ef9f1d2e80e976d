//! The command line, in Prometheus' own flag style.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use simulator::PROFILES;
use tracing::level_filters::LevelFilter;

/// Polls the seat and service endpoints of AvePoint Elements and serves them to Prometheus.
#[derive(Debug, Parser)]
#[command(name = "avepoint_exporter", version = crate::VERSION, long_version = crate::LONG_VERSION.as_str(), max_term_width = 120)]
pub struct Cli {
    /// Without a command, the daemon runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags, before or after the command.
    #[command(flatten)]
    pub flags: Flags,
}

/// What to do instead of running the daemon.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon against a simulated partner: no configuration, no credentials, no network
    Demo(World),
    /// Poll everything once, print it and exit; the exit code is 0 only if everything was read
    Once {
        /// Output format
        #[arg(long, value_enum, default_value_t = OnceFormat::Prometheus)]
        format: OnceFormat,
    },
    /// Validate the configuration and compare the requests that it needs with the budget
    Check {
        /// Also get a token, and list the customers of every partner
        #[arg(long)]
        online: bool,
    },
    /// List the customers that the app registrations can see, as YAML for customers.list
    Discover,
    /// Run only the simulated Elements API, on --web.listen-address
    Simulate(World),
    /// Print a shell completion script
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages, for packages
    #[command(hide = true)]
    Man {
        /// The output folder, which must exist
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
}

/// The simulated world of `demo` and `simulate`.
#[derive(Clone, Debug, Args)]
pub struct World {
    /// Number of simulated customers, two of them with hostile names; by default a small realistic partner
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub customers: Option<u32>,
    /// Seed of the simulated data; the same seed gives the same customers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Fault profile
    #[arg(long, value_name = "PROFILE", default_value = "none", value_parser = PossibleValuesParser::new(PROFILES))]
    pub faults: String,
    /// Speed of seat changes relative to real time; 0 stops them
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub time_scale: u32,
}

/// Output of `once`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnceFormat {
    /// Prometheus' text format 0.0.4
    Prometheus,
    /// `OpenMetrics` 1.0.0
    Openmetrics,
    /// One JSON document
    Json,
    /// Human-readable tables
    Table,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Flags {
    /// Path of the configuration file
    #[arg(long = "config.file", global = true, value_name = "PATH", default_value = "config.yaml")]
    pub config_file: PathBuf,
    /// Address to listen on, as host:port, or :port for all addresses; repeatable
    #[arg(long = "web.listen-address", global = true, value_name = "ADDRESS", default_value = ":10120")]
    pub listen_addresses: Vec<String>,
    /// Path of the metrics endpoint
    #[arg(long = "web.telemetry-path", global = true, value_name = "PATH", default_value = "/metrics")]
    pub telemetry_path: String,
    /// Path of the web configuration (TLS, basic auth, headers, rate limit), in the format of Prometheus' exporter-toolkit
    #[arg(long = "web.config.file", global = true, value_name = "PATH", default_value = "")]
    pub web_config_file: OsString,
    /// The external URL of this exporter, for example behind a reverse proxy
    #[arg(long = "web.external-url", global = true, value_name = "URL", default_value = "")]
    pub external_url: String,
    /// Prefix of all paths; by default the path of --web.external-url
    #[arg(long = "web.route-prefix", global = true, value_name = "PATH", default_value = "")]
    pub route_prefix: String,
    /// Use the listening sockets of systemd instead of --web.listen-address
    #[arg(long = "web.systemd-socket", global = true)]
    pub systemd_socket: bool,
    /// Enable POST /-/reload, which reloads the configuration like SIGHUP
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub enable_lifecycle: bool,
    /// Log messages of this level and above
    #[arg(long = "log.level", global = true, value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// Format of the log on standard error
    #[arg(long = "log.format", global = true, value_enum, default_value_t = LogFormat::Logfmt)]
    pub log_format: LogFormat,
}

impl Flags {
    /// The web configuration, if there is one.
    #[must_use]
    pub fn web_config_file(&self) -> Option<&Path> {
        (!self.web_config_file.is_empty()).then(|| Path::new(&self.web_config_file))
    }
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Failures that make the exporter useless
    Error,
    /// Also problems that need attention
    Warn,
    /// Also changes of state
    Info,
    /// Also every request and poll
    Debug,
    /// Also messages of libraries
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// key=value
    Logfmt,
    /// One JSON object per line
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli =
            Cli::try_parse_from(["avepoint_exporter", "once", "--format=json", "--config.file", "x.yaml"]).unwrap();
        assert_eq!(cli.flags.config_file, PathBuf::from("x.yaml"));
        let cli =
            Cli::try_parse_from(["avepoint_exporter", "--web.listen-address=a:1", "--web.listen-address=b:2"]).unwrap();
        assert_eq!(cli.flags.listen_addresses, ["a:1", "b:2"]);
    }

    #[test]
    fn the_version_says_what_was_built() {
        let version = |flag| Cli::try_parse_from(["avepoint_exporter", flag]).unwrap_err().to_string();
        let first = format!("avepoint_exporter {}", crate::VERSION);
        assert_eq!(version("-V"), format!("{first}\n"));
        let long = version("--version");
        let lines: Vec<_> = long.lines().collect();
        let [revision, date, compiler] = lines[..] else { panic!("{long}") };
        assert_eq!(revision, format!("{first} (revision {})", env!("AVEPOINT_EXPORTER_REVISION")));
        let date: jiff::Timestamp = date.strip_prefix("  built:    ").unwrap().parse().unwrap();
        assert!(date > "2026-01-01T00:00:00Z".parse().unwrap(), "{date}");
        assert!(compiler.starts_with("  compiler: rustc 1."), "{compiler}");
    }
}
