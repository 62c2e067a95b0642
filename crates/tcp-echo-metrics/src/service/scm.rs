//! Run by Windows' service control manager.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::{define_windows_service, service_dispatcher};

use crate::cli::Config;
use crate::logging;

use super::{Spec, Supervisor};

/// How long starting and ending take at most, as told to the manager.
const PATIENCE: Duration = Duration::from_secs(10);
/// The size from which a log is put aside at the start of the service.
const LOG_BYTES: u64 = 10 << 20;
/// Windows' error for a program that was started by hand
/// (`ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`).
const BY_HAND: i32 = 1063;

/// Runs the program until the supervisor tells it to end, or gives the text of what
/// went wrong.
pub type Run = fn(&Config, Supervisor) -> Result<(), String>;

/// What the manager's thread needs and can't be given as an argument.
static JOB: OnceLock<(Config, Run)> = OnceLock::new();

define_windows_service!(service_main, serve);

/// Runs `config` as a service that the manager has started, until it ends.
///
/// Gives `None` at once when it was no manager that started this process.
pub fn run_as_service(config: &Config, run: Run) -> Option<ExitCode> {
    // A second call would find the first one's job, which is the same.
    let _ = JOB.set((config.clone(), run));
    match service_dispatcher::start(&config.service_options.name, service_main) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(windows_service::Error::Winapi(error)) if error.raw_os_error() == Some(BY_HAND) => None,
        // The manager waits in vain, and writes that into its log.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// What the manager calls, on a thread of its own.
fn serve(_arguments: Vec<OsString>) {
    let Some((config, run)) = JOB.get() else {
        return;
    };
    let (tell, told) = watch::channel("");
    let handler = move |control| {
        let order = match control {
            ServiceControl::Interrogate => return ServiceControlHandlerResult::NoError,
            ServiceControl::Stop => "stop",
            ServiceControl::Shutdown => "shutdown",
            _ => return ServiceControlHandlerResult::NotImplemented,
        };
        tell.send_replace(order);
        ServiceControlHandlerResult::NoError
    };
    let name = &config.service_options.name;
    // Without a handle there is nobody to tell that there is none.
    let Ok(handle) = service_control_handler::register(name, handler) else {
        return;
    };
    let control = Control {
        told,
        status: Arc::new(Status {
            handle,
            checkpoint: Mutex::new(0),
        }),
    };
    let status = Arc::clone(&control.status);
    status.pending(ServiceState::StartPending);
    if let Some(file) = log_file(name) {
        // Without its thread the program ends, and says so.
        let _ = logging::init_to_file(config.log, file);
    }
    let exit_code = match run(config, Supervisor::of_windows(control)) {
        Ok(()) => ServiceExitCode::NO_ERROR,
        Err(error) => {
            tracing::error!("{error}");
            // Specific to this program: its log says which error.
            ServiceExitCode::ServiceSpecific(1)
        }
    };
    status.set(
        ServiceState::Stopped,
        ServiceControlAccept::empty(),
        exit_code,
    );
}

/// The manager's orders, and what it is told.
#[derive(Debug)]
pub(super) struct Control {
    told: watch::Receiver<&'static str>,
    status: Arc<Status>,
}

impl Control {
    /// Waits for the order to end, and gives its name.
    pub(super) async fn told(&mut self) -> &'static str {
        match self.told.wait_for(|order| !order.is_empty()).await {
            Ok(order) => *order,
            // The handler is gone after its order, which is still to be read.
            Err(_) => "stop",
        }
    }

    pub(super) fn running(&self) {
        self.status.set(
            ServiceState::Running,
            ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
            ServiceExitCode::NO_ERROR,
        );
    }

    pub(super) fn stopping(&self) {
        self.status.pending(ServiceState::StopPending);
    }
}

#[derive(Debug)]
struct Status {
    handle: service_control_handler::ServiceStatusHandle,
    /// How far a start or an end has come: it rises with every report on the way.
    checkpoint: Mutex<u32>,
}

impl Status {
    fn pending(&self, state: ServiceState) {
        self.set(
            state,
            ServiceControlAccept::empty(),
            ServiceExitCode::NO_ERROR,
        );
    }

    fn set(
        &self,
        state: ServiceState,
        controls_accepted: ServiceControlAccept,
        exit_code: ServiceExitCode,
    ) {
        let mut checkpoint = self
            .checkpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pending = matches!(
            state,
            ServiceState::StartPending | ServiceState::StopPending
        );
        *checkpoint = if pending { *checkpoint + 1 } else { 0 };
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted,
            exit_code,
            checkpoint: *checkpoint,
            wait_hint: if pending { PATIENCE } else { Duration::ZERO },
            process_id: None,
        };
        if let Err(error) = self.handle.set_service_status(status) {
            tracing::warn!(%error, "the service control manager can't be told");
        }
    }
}

/// The log's path: beside the program, by the name of the service.
pub(super) fn log_path(program: &Path, name: &str) -> PathBuf {
    program.with_file_name(format!("{name}.log"))
}

/// The log, to write to. One that has grown is put aside for the next to begin anew.
fn log_file(name: &str) -> Option<File> {
    let path = log_path(&Spec::this_program().ok()?, name);
    if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES) {
        // Where that fails the log grows on.
        let _ = fs::rename(&path, path.with_extension("log.old"));
    }
    OpenOptions::new().create(true).append(true).open(path).ok()
}
