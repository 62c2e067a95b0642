//! Runs the parts of the program from a configuration, and stops them.

mod client;
mod discovery;
mod endpoints;
mod episodes;
mod error;
mod files;
mod health;
mod reload;
mod server;
mod service;
mod signals;
mod watchdog;
mod web;

use std::{
    convert::Infallible, net::TcpListener, pin::pin, process::ExitCode, sync::Arc, time::Duration,
};

use tcp_echo_exporter::{BuildInfo, Endpoints, Readiness};
#[cfg(feature = "service")]
use tcp_echo_metrics::cli::ServiceAction;
use tcp_echo_metrics::cli::{BAD_USAGE, Config};
use tcp_echo_metrics::version;
use tcp_echo_prober::{Heartbeats, OnDemand, Paths, Resolver, TargetSet};
use tcp_echo_report::ReportRun;
use tcp_echo_server::RunningServer;
use tcp_echo_targets::Source;
use tokio::task::JoinSet;
use tracing::{info, warn};

use client::Client;
use episodes::Kept;
use error::RunError;
use files::Budget;
use reload::Reload;
use service::{Sockets, Supervisor};
use web::Web;

/// The timeout of blocking tasks at the end: reads of files that hang.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);

/// The definition of a service is no place for a password: many can read it.
#[cfg(feature = "service")]
const NOT_RECORDED: &str = "tcp-echo-metrics: the password of the endpoints is not recorded, \
    and the service ends at its start without it: set TCP_ECHO_METRICS_PASS in the environment \
    of the service, or use -web.config.file";

const BUILD: BuildInfo = BuildInfo {
    version: version::VERSION,
    revision: version::REVISION,
    rustversion: version::RUSTC,
};

/// Runs the program until a signal ends it or it is done, and returns the exit status.
pub(crate) fn run(config: &Config) -> ExitCode {
    let status = run_or_act(config);
    tcp_echo_log::flush();
    status
}

fn run_or_act(config: &Config) -> ExitCode {
    if config.health {
        return health::exit_code(&config.metrics);
    }
    #[cfg(feature = "service")]
    if let Some(action) = config.service_action() {
        if config.service == Some(ServiceAction::Install) && config.has_unrecorded_password() {
            tcp_echo_log::write_line(NOT_RECORDED);
        }
        return tcp_echo_service::act(&action, &config.service_options);
    }
    #[cfg(windows)]
    #[cfg(feature = "service")]
    if config.service == Some(ServiceAction::Run)
        && let Some(status) = run_under_windows(config)
    {
        return status;
    }
    let error = match run_parts(config, Supervisor::default()) {
        Ok(status) => return status,
        Err(error) => error,
    };
    tcp_echo_log::write_line(&format!("tcp-echo-metrics: {error}"));
    match error {
        RunError::Usage(_) => ExitCode::from(BAD_USAGE),
        _ => ExitCode::FAILURE,
    }
}

/// Runs the program as a service of Windows; `None` if it was started by hand.
#[cfg(windows)]
#[cfg(feature = "service")]
fn run_under_windows(config: &Config) -> Option<ExitCode> {
    let (name, config) = (config.service_options.name.clone(), config.clone());
    let run = move |supervisor, log: Option<std::fs::File>| {
        if let Some(file) = log {
            // Without its thread the program ends with an error.
            let _ = tcp_echo_log::init_to_file(config.log, file);
        }
        let ended = run_parts(&config, supervisor);
        ended.map(drop).map_err(|error| error.to_string())
    };
    tcp_echo_service::run_as_service(&name, Box::new(run))
}

fn run_parts(config: &Config, supervisor: Supervisor) -> Result<ExitCode, RunError> {
    // Before starting threads.
    let sockets = Sockets::take()?;
    tcp_echo_log::init(config.log).map_err(|error| RunError::Start { part: "log", error })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::Start {
            part: "endpoints",
            error,
        })?;
    let ended = runtime.block_on(run_until_end(config, supervisor, sockets));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended
}

/// Binds all addresses before it probes, so that an address in use ends the program at its
/// start.
async fn run_until_end(
    config: &Config,
    mut supervisor: Supervisor,
    sockets: Sockets,
) -> Result<ExitCode, RunError> {
    let web = Web::load(config)?;
    let resolver = Resolver::default();
    let (source, targets) = client::targets(config, &resolver).await?;
    let paths = Paths::with_max_links(config.client.votes_max);
    let mut run = report(config, &targets)?.with_paths(&paths, &targets);
    let no_signals = |error| RunError::Start {
        part: "signals",
        error,
    };
    let mut signals = pin!(signals::listen().map_err(no_signals)?);
    let mut reloads = signals::Reloads::listen().map_err(no_signals)?;
    let readiness = Readiness::new();
    let mut endpoints = Endpoints::new(BUILD)
        .with_readiness(readiness.clone())
        .with_dropped_log_lines(tcp_echo_log::dropped_lines)
        .with_lifecycle(config.lifecycle)
        .with_labels(config.labels.clone());

    let reload = source.as_ref().map(|source| Reload::new(source.handle()));
    if let Some(reload) = &reload {
        endpoints = reload.extend(endpoints);
    }
    let probe = client::on_demand(config)?;
    let budget = files::budget(config, &targets);

    let mut server = serve(config, &budget, sockets.echo).await?;
    if let Some(server) = &server {
        endpoints = endpoints.with_server(Arc::clone(server.stats()));
    }
    let kept = Kept::load(&config.client, &paths);
    let metrics = client::metrics(&config.client, &paths)?.with_episodes(kept.episodes.clone());
    if config.mode.probes() {
        let sockets = budget.socket_stats.clone();
        let shown = endpoints.with_targets(metrics.clone());
        endpoints = shown
            .with_sockets(sockets)
            .with_lookups(resolver.stats().clone());
    }
    let on_demand = probe.as_ref().map(|probe| probe.on_demand.clone());
    if let Some(probe) = probe {
        endpoints = endpoints.with_probe(probe);
    }
    let mut exporter = None;
    if config.serves_metrics() || !sockets.metrics.is_empty() {
        let started = endpoints::start(config, sockets.metrics, endpoints, &web).await?;
        exporter = Some(started);
    }

    let heartbeats = Heartbeats::default();
    let mut client = None;
    if config.mode.probes() {
        let run_observer = run.begin().map_err(|error| RunError::Start {
            part: "view",
            error,
        })?;
        let own = ((metrics, kept.episodes.clone()), heartbeats.clone());
        let prober = client::prober(&config.client, budget, on_demand.as_ref(), paths);
        let prober = prober.resolver(resolver).targets(targets.clone());
        client = Some(Client::start(prober.observer((own, run_observer)))?);
    }
    // A run in the foreground has a fixed set of targets.
    let apply = |client: &Client| client.apply(&targets, &readiness);
    let changes = source.zip(client.as_ref().map(apply));
    let changes = changes.filter(|_| config.watch.is_none());
    let mut tasks = spawn_tasks(&kept, changes, on_demand, reload.as_ref());
    readiness.started();
    supervisor.ready(&status(exporter.as_ref()));
    let pinged = server.as_ref().map(|server| server.handle().clone());
    let watchdog =
        supervisor.watch(move |limit| watchdog::hung(pinged.clone(), heartbeats.clone(), limit));

    let ended = loop {
        tokio::select! {
            signal = &mut signals => {
                info!(signal, "ending");
                break Ok(());
            }
            order = supervisor.order() => {
                info!(order, "ending");
                break Ok(());
            }
            error = ended(server.as_mut(), exporter.as_mut(), client.as_ref(), &mut tasks) => {
                break Err(error);
            }
            () = run.done() => break Ok(()),
            () = reloads.next() => if run.has_terminal() {
                // This hangup is that of its terminal.
                break Ok(());
            } else if let Some(reload) = &reload {
                reload.begin();
            },
        }
    };
    supervisor.stopping();
    kept.save().await;
    if ended.is_ok() && may_exit_at_once(config) {
        exit(supervisor, server, exporter).await;
    }
    drop((watchdog, tasks));
    // The next signal ends the wait for the last replies and for the reader of the report.
    let interrupt = signals::listen().map_err(no_signals)?;
    run.settle(signals::listen().map_err(no_signals)?).await;
    stop(client, server, exporter).await;
    let reported = run.finish(interrupt).await.map_err(RunError::Report);
    ended.and(reported)
}

/// What the manager shows of a program that is ready.
fn status(exporter: Option<&endpoints::Running>) -> String {
    match exporter {
        Some(exporter) => format!("metrics at {}", exporter.local_addr()),
        None => "probing".to_owned(),
    }
}

/// Whether the process may exit while its parts run: there is no report, and no manager waits
/// for a return, as Windows does of a service.
fn may_exit_at_once(config: &Config) -> bool {
    config.watch.is_none() && !(cfg!(windows) && config.is_service())
}

/// Exits after the last scrape, and once the probers of others know that the server stops. The
/// system frees connections and memory in a fraction of the time that it takes to drop a hundred
/// thousand targets.
async fn exit(
    supervisor: Supervisor,
    server: Option<RunningServer>,
    exporter: Option<endpoints::Running>,
) -> ! {
    let server = async {
        if let Some(server) = &server {
            server.handle().close().await;
        }
    };
    let exporter = async {
        if let Some(mut exporter) = exporter {
            exporter.stop().await;
        }
    };
    tokio::join!(server, exporter);
    supervisor.close();
    tcp_echo_log::flush();
    std::process::exit(0);
}

/// The run in the foreground, if it is one.
fn report(config: &Config, targets: &TargetSet) -> Result<ReportRun, RunError> {
    let (watch, flows) = (config.watch.as_ref(), files::flows(targets));
    ReportRun::new(watch, version::VERSION, targets.len(), flows).map_err(RunError::Usage)
}

/// Starts the echo server, if the mode has one.
async fn serve(
    config: &Config,
    budget: &Budget,
    listeners: Vec<TcpListener>,
) -> Result<Option<RunningServer>, RunError> {
    if !config.mode.serves() {
        if !listeners.is_empty() {
            warn!("ignoring the passed socket echo: this mode has no echo server");
        }
        return Ok(None);
    }
    let started = server::start(&config.server, &config.identity, budget, listeners).await?;
    info!(address = %started.local_addr(), "echo server listens");
    Ok(Some(started))
}

/// Spawns the task that keeps episodes, and those that change targets: the source of the list, requests for targets, and
/// reloads.
fn spawn_tasks(
    kept: &Kept,
    changes: Option<(Source, impl FnMut(TargetSet) + Send + 'static)>,
    on_demand: Option<OnDemand>,
    reload: Option<&Reload>,
) -> JoinSet<Infallible> {
    let mut tasks = JoinSet::new();
    tasks.spawn(kept.run());
    if let Some((source, apply)) = changes {
        tasks.spawn(async move { match source.run(apply).await {} });
    }
    if let Some(on_demand) = on_demand {
        tasks.spawn(async move { match on_demand.run().await {} });
    }
    if let Some(reload) = reload {
        tasks.spawn(reload.follow());
    }
    tasks
}

/// Waits for the unexpected end of a part.
async fn ended(
    server: Option<&mut RunningServer>,
    exporter: Option<&mut endpoints::Running>,
    client: Option<&Client>,
    tasks: &mut JoinSet<Infallible>,
) -> RunError {
    let server = async {
        match server {
            Some(server) => server::ended(server).await,
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
        Some(ended) = tasks.join_next() => RunError::of_task("list of targets", ended),
    }
}

/// Stops the parts, and waits until they have ended. The server is last: a prober in the
/// same process would log its end as a disconnect.
async fn stop(
    client: Option<Client>,
    server: Option<RunningServer>,
    exporter: Option<endpoints::Running>,
) {
    let client = client.map(|client| tokio::task::spawn_blocking(move || client.stop()));
    if let Some(mut exporter) = exporter {
        exporter.stop().await;
    }
    if let Some(client) = client {
        // Its errors are logged.
        let _ = client.await;
    }
    if let Some(server) = server {
        let _ = tokio::task::spawn_blocking(move || drop(server)).await;
    }
}
