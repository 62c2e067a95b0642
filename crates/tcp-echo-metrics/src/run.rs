//! From a configuration to running parts, and their end.

mod client;
mod endpoints;
mod files;
mod heartbeats;
mod reload;
mod server;
mod signals;
mod watchdog;

use std::{
    convert::Infallible, io, net::TcpListener, pin::pin, process::ExitCode, sync::Arc,
    time::Duration,
};

use tcp_echo_exporter::{BuildInfo, Endpoints, Readiness};
use tcp_echo_metrics::{
    cli::{Config, ServiceAction},
    logging,
    report::ReportRun,
    service::{self, Sockets, SocketsError, Supervisor},
    version,
};
use tcp_echo_prober::{OnDemand, Resolver, TargetSet};
use tcp_echo_server::BindError;
use tcp_echo_targets::{LoadError, Source};
use tcp_echo_web::WebConfigError;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use client::Client;
use files::Budget;
use heartbeats::Heartbeats;
use reload::Reload;
use server::EchoServer;

/// How long what blocks a thread is waited for at the end: files that hang.
const PATIENCE: Duration = Duration::from_millis(100);

/// What this build is.
const BUILD: BuildInfo = BuildInfo {
    version: version::VERSION,
    revision: version::REVISION,
    rustversion: version::RUSTC,
};

/// The exit status of bad usage.
const BAD_USAGE: u8 = 2;

/// Why a run ended as it should not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// An address can't be listened on.
    #[error("{}", with_source(.0))]
    Bind(#[from] BindError),
    /// The system gives no thread, timer or event queue.
    #[error("cannot start the {part}: {error}")]
    Start {
        part: &'static str,
        error: io::Error,
    },
    /// The targets can't be read.
    #[error("{0}")]
    Targets(#[from] LoadError),
    /// The web configuration can't be read or used.
    #[error("{0}")]
    Web(#[from] WebConfigError),
    /// A part ended though nobody had told it to.
    #[error("the {part} has ended by itself: {reason}")]
    Ended { part: &'static str, reason: String },
    /// What the flags ask for can't be done.
    #[error("{0}")]
    Usage(String),
    /// What a service manager hands down is no use.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// What came of the run can't be told.
    #[error("cannot print the report: {0}")]
    Report(io::Error),
}

impl RunError {
    /// A task ended that none had told to.
    fn of_task<T>(part: &'static str, ended: Result<T, JoinError>) -> Self {
        let reason = match ended {
            Ok(_) => "it serves no longer".to_owned(),
            Err(error) => error.to_string(),
        };
        Self::Ended { part, reason }
    }
}

fn with_source(error: &BindError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Does what `config` asks for, until it is told to end or is done, and gives the exit
/// status.
pub(crate) fn run(config: &Config) -> ExitCode {
    let status = run_or_act(config);
    logging::flush();
    status
}

fn run_or_act(config: &Config) -> ExitCode {
    let ended = match config.service {
        #[cfg(windows)]
        Some(ServiceAction::Run) => {
            let run: service::Run = |config, supervisor| {
                let ended = run_parts(config, supervisor);
                ended.map(drop).map_err(|error| error.to_string())
            };
            match service::run_as_service(config, run) {
                Some(status) => return status,
                // It was started by hand.
                None => run_parts(config, Supervisor::default()),
            }
        }
        #[cfg(not(windows))]
        Some(ServiceAction::Run) => run_parts(config, Supervisor::default()),
        None => run_parts(config, Supervisor::default()),
        Some(action) => return service::act(config, action),
    };
    let error = match ended {
        Ok(status) => return status,
        Err(error) => error,
    };
    logging::say(&format!("tcp-echo-metrics: {error}"));
    match error {
        RunError::Usage(_) => ExitCode::from(BAD_USAGE),
        _ => ExitCode::FAILURE,
    }
}

fn run_parts(config: &Config, supervisor: Supervisor) -> Result<ExitCode, RunError> {
    // Before there are threads.
    let sockets = Sockets::take()?;
    logging::init(config.log).map_err(|error| RunError::Start { part: "log", error })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::Start {
            part: "endpoints",
            error,
        })?;
    let ended = runtime.block_on(run_until_told(config, supervisor, sockets));
    runtime.shutdown_timeout(PATIENCE);
    ended
}

/// Everything that listens is bound before anything is probed, so that an address
/// that is taken ends the program at its start.
async fn run_until_told(
    config: &Config,
    mut supervisor: Supervisor,
    sockets: Sockets,
) -> Result<ExitCode, RunError> {
    let web = endpoints::web(config)?;
    let resolver = Resolver::default();
    let (source, targets) = client::targets(config, &resolver).await?;
    let mut run = ReportRun::new(config, targets.len()).map_err(RunError::Usage)?;
    let no_signals = |error| RunError::Start {
        part: "signals",
        error,
    };
    let mut signals = pin!(signals::listen().map_err(no_signals)?);
    let mut reloads = signals::Reloads::listen().map_err(no_signals)?;
    let readiness = Readiness::new();
    let mut endpoints = Endpoints::new(BUILD)
        .with_readiness(readiness.clone())
        .with_dropped_log_lines(logging::dropped_lines)
        .with_lifecycle(config.lifecycle);

    let reload = source.as_ref().map(|source| Reload::new(source.handle()));
    if let Some(reload) = &reload {
        endpoints = reload.show(endpoints);
    }
    let probe = client::on_demand(config)?;
    let budget = files::budget(config, targets.len());

    let mut server = serve(config, &budget, sockets.echo).await?;
    if let Some(server) = &server {
        endpoints = endpoints.with_server(Arc::clone(server.stats()));
    }
    let metrics = client::metrics(&config.client)?;
    if config.mode.probes() {
        endpoints = endpoints
            .with_targets(metrics.clone())
            .with_sockets(budget.socket_stats.clone())
            .with_lookups(resolver.stats().clone());
    }
    let on_demand = probe.as_ref().map(|probe| probe.on_demand.clone());
    if let Some(probe) = probe {
        endpoints = endpoints.with_probe(probe);
    }
    let mut exporter = None;
    if config.serves_metrics() || !sockets.metrics.is_empty() {
        let listeners = sockets.metrics;
        let started = endpoints::start(config, listeners, endpoints, web.as_ref()).await?;
        exporter = Some(started);
    }

    let heartbeats = Heartbeats::default();
    let mut client = None;
    if config.mode.probes() {
        let watcher = run.begin().map_err(|error| RunError::Start {
            part: "view",
            error,
        })?;
        let observer = ((metrics, heartbeats.clone()), watcher);
        let prober = client::prober(&config.client, budget, on_demand.as_ref());
        let prober = prober.resolver(resolver).targets(targets.clone());
        client = Some(Client::start(prober.observer(observer))?);
    }
    // A run that is watched is over a set of targets that stays.
    let apply = |client: &Client| client.apply(&targets, &readiness);
    let changes = source.zip(client.as_ref().map(apply));
    let changes = changes.filter(|_| config.watch.is_none());
    let mut following = follow(changes, on_demand, reload.as_ref());
    readiness.started();
    supervisor.ready(&match &exporter {
        Some(exporter) => format!("metrics at {}", exporter.local_addr()),
        None => "probing".to_owned(),
    });
    let watchdog = watchdog::start(&supervisor, server.as_ref(), heartbeats);

    let ended = loop {
        tokio::select! {
            signal = &mut signals => {
                info!(signal, "ending");
                break Ok(());
            }
            order = supervisor.told_to_end() => {
                info!(order, "ending");
                break Ok(());
            }
            error = ended(server.as_mut(), exporter.as_mut(), client.as_ref(), &mut following) => {
                break Err(error);
            }
            () = run.done() => break Ok(()),
            () = reloads.next() => if run.has_terminal() {
                // It is gone: this was no order to reload.
                break Ok(());
            } else if let Some(reload) = &reload {
                reload.begin();
            },
        }
    };
    supervisor.stopping();
    if ended.is_ok() && may_end_at_once(config) {
        end_process(supervisor, exporter).await;
    }
    drop((watchdog, following));
    // The last replies are awaited, and who reads the report, until the next signal.
    let at_once = signals::listen().map_err(no_signals)?;
    run.settle(signals::listen().map_err(no_signals)?).await;
    stop(client, server, exporter).await;
    let reported = run.finish(at_once).await.map_err(RunError::Report);
    ended.and(reported)
}

/// Whether the process may end while its parts are at work: nobody waits for a report, nor for
/// word of the end, as Windows does of a service.
fn may_end_at_once(config: &Config) -> bool {
    config.watch.is_none() && !(cfg!(windows) && config.service.is_some())
}

/// Ends the process once the last scrape is answered. The system takes connections and memory
/// back in a fraction of the time that it takes to free what a hundred thousand targets have.
async fn end_process(supervisor: Supervisor, mut exporter: Option<endpoints::Running>) -> ! {
    if let Some(exporter) = &mut exporter {
        exporter.stop().await;
    }
    // It waits until the manager has read that this ends.
    drop(supervisor);
    logging::flush();
    std::process::exit(0);
}

/// Lets the echo server run where the mode has one.
async fn serve(
    config: &Config,
    budget: &Budget,
    listeners: Vec<TcpListener>,
) -> Result<Option<EchoServer>, RunError> {
    if !config.mode.serves() {
        if !listeners.is_empty() {
            warn!("the socket echo was handed down and there is no echo server in this mode");
        }
        return Ok(None);
    }
    let started = EchoServer::start(&config.server, budget, listeners).await?;
    info!(address = %started.local_addr(), "echo server listens");
    Ok(Some(started))
}

/// Runs what changes the targets while they are probed: the list's source, those who ask for
/// some, and orders to reload.
fn follow(
    changes: Option<(Source, impl FnMut(TargetSet) + Send + 'static)>,
    on_demand: Option<OnDemand>,
    reload: Option<&Reload>,
) -> JoinSet<Infallible> {
    let mut following = JoinSet::new();
    if let Some((source, apply)) = changes {
        following.spawn(async move { match source.run(apply).await {} });
    }
    if let Some(on_demand) = on_demand {
        following.spawn(async move { match on_demand.run().await {} });
    }
    if let Some(reload) = reload {
        following.spawn(reload.follow());
    }
    following
}

/// Waits for the end of a part that nobody has told to end.
async fn ended(
    server: Option<&mut EchoServer>,
    exporter: Option<&mut endpoints::Running>,
    client: Option<&Client>,
    following: &mut JoinSet<Infallible>,
) -> RunError {
    let server = async {
        match server {
            Some(server) => server.ended().await,
            None => std::future::pending().await,
        }
    };
    let exporter = async {
        match exporter {
            Some(exporter) => exporter.ended().await,
            None => std::future::pending().await,
        }
    };
    let client = async {
        match client {
            Some(client) => client.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        error = server => error,
        error = exporter => error,
        error = client => error,
        Some(ended) = following.join_next() => RunError::of_task("list of targets", ended),
    }
}

/// Ends the parts, and waits until they have. The server is the last one: to a prober in the
/// same process its end would be a disconnect, and worth a line in the log.
async fn stop(
    client: Option<Client>,
    server: Option<EchoServer>,
    exporter: Option<endpoints::Running>,
) {
    let client = client.map(|client| tokio::task::spawn_blocking(move || client.stop()));
    if let Some(mut exporter) = exporter {
        exporter.stop().await;
    }
    if let Some(client) = client {
        // It has said in the log what went wrong with it.
        let _ = client.await;
    }
    if let Some(server) = server {
        server.stop().await;
    }
}
