//! The state of a running service, and the orders of Windows' service control manager.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use windows_service::service::{
    ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::ServiceStatusHandle;

/// The maximum duration of a start or a stop, as reported to the manager.
const WAIT_HINT: Duration = Duration::from_secs(10);

/// Receives the orders of the manager, and reports the state of the service.
#[derive(Debug)]
pub(crate) struct Control {
    orders: watch::Receiver<&'static str>,
    status: Arc<Status>,
}

impl Control {
    pub(crate) fn new(orders: watch::Receiver<&'static str>, status: Arc<Status>) -> Self {
        Self { orders, status }
    }

    /// Waits for the order to end, and returns its name.
    pub(crate) async fn order(&mut self) -> &'static str {
        match self.orders.wait_for(|order| !order.is_empty()).await {
            Ok(order) => *order,
            // The handler is dropped after its order, which is still to be read.
            Err(_) => "stop",
        }
    }

    pub(crate) fn running(&self) {
        self.status.set(
            ServiceState::Running,
            ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
            ServiceExitCode::NO_ERROR,
        );
    }

    pub(crate) fn stopping(&self) {
        self.status.pending(ServiceState::StopPending);
    }
}

/// Reports the state of the service.
#[derive(Debug)]
pub(crate) struct Status {
    handle: ServiceStatusHandle,
    /// The progress of a start or a stop: each report has to increase it.
    checkpoint: Mutex<u32>,
}

impl Status {
    pub(crate) fn new(handle: ServiceStatusHandle) -> Self {
        Self {
            handle,
            checkpoint: Mutex::new(0),
        }
    }

    pub(crate) fn pending(&self, state: ServiceState) {
        self.set(
            state,
            ServiceControlAccept::empty(),
            ServiceExitCode::NO_ERROR,
        );
    }

    pub(crate) fn set(
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
            wait_hint: if pending { WAIT_HINT } else { Duration::ZERO },
            process_id: None,
        };
        if let Err(error) = self.handle.set_service_status(status) {
            tracing::warn!(%error, "cannot notify the service control manager");
        }
    }
}
