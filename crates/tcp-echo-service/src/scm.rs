//! Running under Windows' service control manager.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::{define_windows_service, service_dispatcher};

use crate::control::{Control, Status};
use crate::spec;
use crate::supervisor::Supervisor;

/// A log of this size is rotated at the start of the service.
const MAX_LOG_BYTES: u64 = 10 << 20;
/// Windows' error for a program that was started by hand
/// (`ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`).
const BY_HAND: i32 = 1063;

/// Runs the program until the supervisor orders it to end; an error is the text for the log.
/// The file is that of the log: a service has no standard error.
pub type Run = Box<dyn Fn(Supervisor, Option<File>) -> Result<(), String> + Send + Sync>;

struct Job {
    name: String,
    run: Run,
}

/// The job of [`serve`], which the manager calls without a context.
static JOB: OnceLock<Job> = OnceLock::new();

define_windows_service!(service_main, serve);

/// Runs the service `name` if the manager has started this process, until it ends.
///
/// Returns `None` at once if the process was started by hand.
pub fn run_as_service(name: &str, run: Run) -> Option<ExitCode> {
    // A second call would find the job of the first, which is the same.
    let _ = JOB.set(Job {
        name: name.to_owned(),
        run,
    });
    match service_dispatcher::start(name, service_main) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(windows_service::Error::Winapi(error)) if error.raw_os_error() == Some(BY_HAND) => None,
        // The manager times out, and writes that into its log.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The main function of the service, which the manager calls on a thread of its own.
fn serve(_arguments: Vec<OsString>) {
    let Some(Job { name, run }) = JOB.get() else {
        return;
    };
    let (order_tx, order_rx) = watch::channel("");
    let handler = move |control| {
        let order = match control {
            ServiceControl::Interrogate => return ServiceControlHandlerResult::NoError,
            ServiceControl::Stop => "stop",
            ServiceControl::Shutdown => "shutdown",
            _ => return ServiceControlHandlerResult::NotImplemented,
        };
        order_tx.send_replace(order);
        ServiceControlHandlerResult::NoError
    };
    // Without a handle the failure can't be reported.
    let Ok(handle) = service_control_handler::register(name, handler) else {
        return;
    };
    let status = Arc::new(Status::new(handle));
    let control = Control::new(order_rx, Arc::clone(&status));
    status.pending(ServiceState::StartPending);
    let exit_code = match run(Supervisor::of_windows(control), log_file(name)) {
        Ok(()) => ServiceExitCode::NO_ERROR,
        Err(error) => {
            tracing::error!("{error}");
            // A code of this program: its log has the error.
            ServiceExitCode::ServiceSpecific(1)
        }
    };
    status.set(
        ServiceState::Stopped,
        ServiceControlAccept::empty(),
        exit_code,
    );
}

/// The path of the log: beside the program, with the name of the service.
pub(crate) fn log_path(program: &Path, name: &str) -> PathBuf {
    program.with_file_name(format!("{name}.log"))
}

/// Opens the log, after a rotation if it is large.
fn log_file(name: &str) -> Option<File> {
    let path = log_path(&spec::this_program().ok()?, name);
    if fs::metadata(&path).is_ok_and(|log| log.len() > MAX_LOG_BYTES) {
        // If that fails, the log grows further.
        let _ = fs::rename(&path, path.with_extension("log.old"));
    }
    OpenOptions::new().create(true).append(true).open(path).ok()
}
