//! The command line, in Prometheus' own flag style. A command has only the flags that it uses.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use simulator::PROFILES;
use tracing::level_filters::LevelFilter;

use crate::config::MAX_CUSTOMERS;
/// Polls the seat and service endpoints of AvePoint Elements and serves them to Prometheus.
#[derive(Debug, Parser)]
#[command(
    name = "avepoint_exporter",
    version = crate::VERSION,
    long_version = crate::LONG_VERSION.as_str(),
    max_term_width = 120,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// Without a command, the daemon runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of the daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// What to do instead of running the daemon.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon against a simulated partner: no configuration, no credentials, no network
    Demo(DemoArgs),
    /// Poll everything once, print it and exit; the exit code is 0 only if everything was read
    Once(OnceArgs),
    /// Validate the configuration and the flags of the daemon, and compare the requests that are needed with the budget
    Check(CheckArgs),
    /// List the customers that the app registrations can see, as YAML to paste below "customers:"
    Discover(DiscoverArgs),
    /// Run only the simulated Elements API, or replay a recording
    Simulate(SimulateArgs),
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

/// The flags of the daemon, which `check` validates too.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address to listen on, as host:port, or :port for all addresses; repeatable
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":10120", help_heading = WEB)]
    pub listen_addresses: Vec<String>,
    /// The web pages.
    #[command(flatten)]
    pub web: WebArgs,
    /// Enable POST /-/reload, which reloads the configuration like SIGHUP
    #[arg(long = "web.enable-lifecycle", help_heading = WEB)]
    pub enable_lifecycle: bool,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The simulated data.
    #[command(flatten)]
    pub simulator: SimulatorArgs,
    /// Address to listen on, as host:port, or :port for all addresses; repeatable
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:10120", help_heading = WEB)]
    pub listen_addresses: Vec<String>,
    /// The web pages.
    #[command(flatten)]
    pub web: WebArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `once`.
#[derive(Debug, Args)]
pub struct OnceArgs {
    /// Output format; by default the table on a terminal, else prometheus
    #[arg(long, value_enum)]
    pub format: Option<OnceFormat>,
    /// Only this partner; repeatable
    #[arg(long, value_name = "NAME")]
    pub partner: Vec<String>,
    /// Only customers whose id or name matches (* and ? stand for any text and any character); repeatable
    #[arg(long, value_name = "GLOB")]
    pub customer: Vec<String>,
    /// Also write every request and answer to this folder, without ids, names and secrets
    #[arg(long, value_name = "DIRECTORY")]
    pub record: Option<PathBuf>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Also get a token, and list the customers of every partner
    #[arg(long)]
    pub online: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Plan for this number of customers where they are discovered
    #[arg(long, value_name = "N", conflicts_with = "online", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CUSTOMERS)))]
    pub customers: Option<u32>,
    /// The flags to validate.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// The flags of `discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Only this partner; repeatable
    #[arg(long, value_name = "NAME")]
    pub partner: Vec<String>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The simulated data.
    #[command(flatten)]
    pub simulator: SimulatorArgs,
    /// Serve what "once --record" wrote to this folder instead
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["customers", "seed", "faults", "time_scale"])]
    pub replay: Option<PathBuf>,
    /// Address to listen on, as host:port, or :port for all addresses
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:18080")]
    pub listen_address: String,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The arguments of the simulator, in `demo` and `simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulatorArgs {
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
    /// The text format 0.0.4 of Prometheus
    Prometheus,
    /// OpenMetrics 1.0.0
    Openmetrics,
    /// One JSON document, in the words of /api/v1
    Json,
    /// One row for each service of each customer, for spreadsheets and billing
    Csv,
    /// Tables for people
    Table,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Path of the configuration file
    #[arg(long = "config.file", value_name = "PATH", default_value = "config.yaml")]
    pub config_file: PathBuf,
}

const WEB: &str = "Web";

/// Where the web pages are, and who may read them.
#[derive(Debug, Args)]
pub struct WebArgs {
    /// Path of the metrics endpoint
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", help_heading = WEB)]
    pub telemetry_path: String,
    /// Path of the web configuration (TLS, basic auth, headers, rate limit), in the format of the exporter-toolkit of
    /// Prometheus
    #[arg(long = "web.config.file", value_name = "PATH", default_value = "", hide_default_value = true, help_heading = WEB)]
    pub web_config_file: OsString,
    /// The external URL of this exporter, for example behind a reverse proxy
    #[arg(long = "web.external-url", value_name = "URL", default_value = "", hide_default_value = true, help_heading = WEB)]
    pub external_url: String,
    /// Prefix of all paths; by default the path of --web.external-url
    #[arg(long = "web.route-prefix", value_name = "PATH", default_value = "", hide_default_value = true, help_heading = WEB)]
    pub route_prefix: String,
    /// Use the listening sockets of systemd instead of --web.listen-address
    #[arg(long = "web.systemd-socket", help_heading = WEB)]
    pub systemd_socket: bool,
}

impl WebArgs {
    /// The web configuration, if there is one.
    #[must_use]
    pub fn web_config_file(&self) -> Option<&Path> {
        (!self.web_config_file.is_empty()).then(|| Path::new(&self.web_config_file))
    }
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Args)]
pub struct LogArgs {
    /// Log messages of this level and above
    #[arg(long = "log.level", value_enum, default_value_t = LogLevel::Info, help_heading = "Log")]
    pub log_level: LogLevel,
    /// Format of the log on standard error
    #[arg(long = "log.format", value_enum, default_value_t = LogFormat::Logfmt, help_heading = "Log")]
    pub log_format: LogFormat,
}

impl Cli {
    /// The flags of the log.
    #[must_use]
    pub fn log(&self) -> LogArgs {
        match &self.command {
            Some(Command::Demo(args)) => args.log,
            Some(Command::Once(args)) => args.log,
            Some(Command::Check(args)) => args.daemon.log,
            Some(Command::Discover(args)) => args.log,
            Some(Command::Simulate(args)) => args.log,
            None | Some(Command::Completion { .. } | Command::Man { .. }) => self.daemon.log,
        }
    }

    /// Whether the sockets of systemd are used.
    #[must_use]
    pub fn uses_systemd_socket(&self) -> bool {
        match &self.command {
            None => self.daemon.web.systemd_socket,
            Some(Command::Demo(args)) => args.web.systemd_socket,
            Some(_) => false,
        }
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
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["avepoint_exporter"], arguments].concat());
        let cli = parse(&["once", "--format=json", "--config.file", "x.yaml"]).unwrap();
        let Some(Command::Once(once)) = cli.command else { panic!("{cli:?}") };
        assert_eq!((once.config.config_file, once.format), (PathBuf::from("x.yaml"), Some(OnceFormat::Json)));
        let cli = parse(&["--web.listen-address=a:1", "--web.listen-address=b:2"]).unwrap();
        assert_eq!(cli.daemon.listen_addresses, ["a:1", "b:2"]);
        let Some(Command::Demo(demo)) = parse(&["demo"]).unwrap().command else { panic!() };
        assert_eq!(demo.listen_addresses, ["127.0.0.1:10120"]);
        // Not the exporter's port: both run on one machine.
        let Some(Command::Simulate(simulate)) = parse(&["simulate"]).unwrap().command else { panic!() };
        assert_eq!(simulate.listen_address, "127.0.0.1:18080");
    }

    #[test]
    fn a_command_takes_only_the_flags_that_it_uses() {
        for (command, takes) in [
            ("once", "config.file customer format log.format log.level partner record"),
            ("discover", "config.file log.format log.level partner"),
            ("simulate", "customers faults log.format log.level replay seed time-scale web.listen-address"),
            ("completion", ""),
        ] {
            let cli = Cli::command();
            let command = cli.find_subcommand(command).unwrap();
            let mut flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            flags.sort_unstable();
            assert_eq!(flags.join(" "), takes, "{}", command.get_name());
        }
        for wrong in [
            &["once", "--web.listen-address=:1"][..],
            &["demo", "--config.file=x"],
            &["simulate", "--replay=x", "--seed=2"],
            &["discover", "--web.enable-lifecycle"],
            &["completion", "bash", "--log.level=info"],
            &["check", "--online", "--customers=5"],
        ] {
            assert!(Cli::try_parse_from([&["avepoint_exporter"], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn help_has_no_markup() {
        let mut cli = Cli::command();
        let helps: Vec<_> = cli.get_subcommands_mut().map(|command| command.render_long_help().to_string()).collect();
        for help in helps.into_iter().chain([cli.render_long_help().to_string()]) {
            assert!(!help.contains("]("), "{help}");
            assert!(!help.contains('`'), "{help}");
        }
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
