//! Windows' service control manager, for actions on services.

use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState,
    ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use crate::error::ServiceError;
use crate::manager::Manager;
use crate::options::ServiceOptions;
use crate::scm;
use crate::spec::{self, Spec};
use crate::state::State;

const DESCRIPTION: &str = "TCP echo: latency and loss between hosts, for Prometheus";
/// The delay of a restart after a failure.
const RESTART_DELAY: Duration = Duration::from_secs(5);
/// The count of failures restarts after this long without one.
const RESET_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);
/// The timeout of a start or a stop.
const TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The command of a service of this program has one of these, also one that the original in Go
/// installed. Other programs may use the same name for a service.
const MARKS: [&str; 2] = ["--svc=run", "tcp-echo"];

const ACCESS_DENIED: i32 = 5;
const DOES_NOT_EXIST: i32 = 1060;

/// Accounts of the system, which have no passwords.
const SYSTEM_ACCOUNTS: [&str; 3] = ["localsystem", "localservice", "networkservice"];

/// The manager of this computer.
pub(crate) struct Windows {
    name: String,
}

impl Windows {
    pub(crate) fn new(options: &ServiceOptions) -> Result<Self, ServiceError> {
        if options.user {
            return Err(ServiceError::NoUserServices { manager: "Windows" });
        }
        if let Some(account) = options
            .account
            .as_ref()
            .filter(|name| !has_no_password(name))
        {
            return Err(ServiceError::Account {
                manager: "Windows",
                account: account.clone(),
                advice: r"use NT AUTHORITY\LocalService, or set the account in the properties of the service later",
            });
        }
        Ok(Self {
            name: options.name.clone(),
        })
    }

    fn failed(&self, action: &'static str) -> impl Fn(windows_service::Error) -> ServiceError {
        move |error| {
            if let windows_service::Error::Winapi(error) = &error
                && error.raw_os_error() == Some(ACCESS_DENIED)
            {
                return ServiceError::Privileges("run it in a command prompt of an administrator");
            }
            let reason = reason(&error);
            ServiceError::Failed {
                action,
                name: self.name.clone(),
                reason,
                log: (action == "start").then(|| self.log()),
            }
        }
    }

    fn manager(&self, access: ServiceManagerAccess) -> Result<ServiceManager, ServiceError> {
        ServiceManager::local_computer(None::<&str>, access)
            .map_err(self.failed("ask the service control manager for"))
    }

    /// The service, if there is one.
    fn open(&self, access: ServiceAccess) -> Result<Option<Service>, ServiceError> {
        let manager = self.manager(ServiceManagerAccess::CONNECT)?;
        match manager.open_service(&self.name, access) {
            Ok(service) => Ok(Some(service)),
            Err(windows_service::Error::Winapi(error))
                if error.raw_os_error() == Some(DOES_NOT_EXIST) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.failed("open")(error)),
        }
    }

    fn opened(&self, access: ServiceAccess) -> Result<Service, ServiceError> {
        self.open(access)?
            .ok_or_else(|| ServiceError::NotInstalled {
                name: self.name.clone(),
            })
    }

    /// Waits until the service reaches `state`.
    fn wait(
        &self,
        service: &Service,
        action: &'static str,
        state: ServiceState,
    ) -> Result<(), ServiceError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let now = service.query_status().map_err(self.failed(action))?;
            if now.current_state == state {
                return Ok(());
            }
            let reason = if now.current_state == ServiceState::Stopped {
                "it ended at once"
            } else if Instant::now() >= deadline {
                "it timed out"
            } else {
                thread::sleep(POLL_INTERVAL);
                continue;
            };
            return Err(ServiceError::Failed {
                action,
                name: self.name.clone(),
                reason: reason.to_owned(),
                log: Some(self.log()),
            });
        }
    }
}

impl Manager for Windows {
    fn state(&self) -> Result<State, ServiceError> {
        let Some(service) = self.open(ServiceAccess::QUERY_STATUS)? else {
            return Ok(State::NotInstalled);
        };
        let status = service.query_status().map_err(self.failed("look up"))?;
        Ok(match status.current_state {
            ServiceState::Stopped => State::Stopped,
            _ => State::Running,
        })
    }

    fn install(&self, spec: &Spec) -> Result<Vec<String>, ServiceError> {
        let failed = self.failed("install");
        let mut arguments: Vec<OsString> = spec.arguments.iter().map(Into::into).collect();
        // The name of the service, and of its log.
        arguments.push(format!("--svc-name={}", self.name).into());
        let info = ServiceInfo {
            name: spec.name.clone().into(),
            display_name: spec.name.clone().into(),
            service_type: ServiceType::OWN_PROCESS,
            start_type: ServiceStartType::AutoStart,
            error_control: ServiceErrorControl::Normal,
            executable_path: spec.program.clone().into(),
            launch_arguments: arguments,
            dependencies: Vec::new(),
            account_name: spec.account.as_ref().map(Into::into),
            account_password: None,
        };
        let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
        let (service, did) = if let Some(service) = self.open(access)? {
            self.may_remove()?;
            service.change_config(&info).map_err(&failed)?;
            (service, "changed")
        } else {
            let manager = self.manager(ServiceManagerAccess::CREATE_SERVICE)?;
            let service = manager.create_service(&info, access).map_err(&failed)?;
            (service, "created")
        };
        let mut lines = vec![
            format!(
                "{did} the service {} in the service control manager",
                self.name
            ),
            format!("it runs {}, which must not be moved", spec.program),
        ];
        // The service works without these.
        if let Err(error) = service.set_description(DESCRIPTION) {
            lines.push(format!("it has no description: {}", reason(&error)));
        }
        if let Err(error) = restart_after_failures(&service) {
            lines.push(format!(
                "it is not restarted after a failure: {}",
                reason(&error)
            ));
        }
        Ok(lines)
    }

    fn may_remove(&self) -> Result<(), ServiceError> {
        let service = self.opened(ServiceAccess::QUERY_CONFIG)?;
        let config = service.query_config().map_err(self.failed("look up"))?;
        let command = config.executable_path.to_string_lossy().into_owned();
        if MARKS.iter().any(|mark| command.contains(mark)) {
            return Ok(());
        }
        Err(ServiceError::Foreign {
            name: self.name.clone(),
            what: format!("it runs {command}"),
        })
    }

    fn uninstall(&self) -> Result<Vec<String>, ServiceError> {
        let service = self.opened(ServiceAccess::DELETE)?;
        service.delete().map_err(self.failed("uninstall"))?;
        let mut lines = vec![format!(
            "deleted the service {} in the service control manager",
            self.name
        )];
        let log = spec::this_program().map(|program| scm::log_path(&program, &self.name));
        if let Some(log) = log.ok().filter(|log| fs::remove_file(log).is_ok()) {
            lines.push(format!("removed {}", log.display()));
        }
        Ok(lines)
    }

    fn start(&self) -> Result<(), ServiceError> {
        let service = self.opened(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
        service.start::<&str>(&[]).map_err(self.failed("start"))?;
        self.wait(&service, "start", ServiceState::Running)
    }

    fn stop(&self) -> Result<(), ServiceError> {
        let service = self.opened(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
        service.stop().map_err(self.failed("stop"))?;
        self.wait(&service, "stop", ServiceState::Stopped)
    }

    fn may_change(&self) -> Result<(), ServiceError> {
        self.manager(ServiceManagerAccess::CREATE_SERVICE).map(drop)
    }

    fn log(&self) -> String {
        match spec::this_program() {
            Ok(program) => scm::log_path(&program, &self.name).display().to_string(),
            Err(_) => format!("{}.log beside the program", self.name),
        }
    }
}

/// The message of the system.
fn reason(error: &windows_service::Error) -> String {
    match error {
        windows_service::Error::Winapi(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Has the manager restart the service after every failure.
fn restart_after_failures(service: &Service) -> windows_service::Result<()> {
    let restart = ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: RESTART_DELAY,
    };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(RESET_PERIOD),
        reboot_msg: None,
        command: None,
        // The last one applies to later failures as well.
        actions: Some(vec![restart.clone(), restart.clone(), restart]),
    })?;
    // An exit with an error is a failure as well, not only a crash.
    service.set_failure_actions_on_non_crash_failures(true)
}

/// Whether the account needs no password.
fn has_no_password(account: &str) -> bool {
    let lower = account.to_ascii_lowercase();
    let name = lower.rsplit('\\').next().unwrap_or(&lower).replace(' ', "");
    // Virtual accounts belong to a service.
    lower.starts_with(r"nt service\") || SYSTEM_ACCOUNTS.contains(&&*name)
}
