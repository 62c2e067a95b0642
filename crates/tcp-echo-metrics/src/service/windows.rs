//! Windows' service control manager, as one who installs services sees it.

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

use crate::cli::ServiceOptions;

use super::manager::{Manager, State};
use super::{ServiceError, Spec, scm};

const DESCRIPTION: &str = "TCP echo: latency and loss between hosts, for Prometheus";
/// How long after a failure the service is started again.
const RESTART: Duration = Duration::from_secs(5);
/// After how long without one, failures are forgotten.
const FORGET: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a service may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// What the command of a service of this program's has in it, or that of the program of
/// Go before it. Others may have chosen the name for their own.
const MARKS: [&str; 2] = ["--svc=run", "tcp-echo"];

const ACCESS_DENIED: i32 = 5;
const DOES_NOT_EXIST: i32 = 1060;

/// Accounts of the system's own, which have no passwords.
const SYSTEMS_OWN: [&str; 3] = ["localsystem", "localservice", "networkservice"];

/// The manager of this computer.
pub(super) struct Windows {
    name: String,
}

impl Windows {
    pub(super) fn new(options: &ServiceOptions) -> Result<Self, ServiceError> {
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
                advice: r"use NT AUTHORITY\LocalService, or set the account in the service's properties afterwards",
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
                return ServiceError::Privileges(
                    "run it in a command prompt that was started as administrator",
                );
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

    /// Waits until the service has come to `state`, which it is on its way to.
    fn wait(
        &self,
        service: &Service,
        action: &'static str,
        state: ServiceState,
    ) -> Result<(), ServiceError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = service.query_status().map_err(self.failed(action))?;
            if now.current_state == state {
                return Ok(());
            }
            let reason = if now.current_state == ServiceState::Stopped {
                "it has ended at once"
            } else if Instant::now() >= deadline {
                "it takes too long"
            } else {
                thread::sleep(LOOK);
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
        // What the service calls itself, and its log.
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
            format!("it runs {}, which has to stay there", spec.program),
        ];
        // The service works without.
        if let Err(error) = service.set_description(DESCRIPTION) {
            lines.push(format!("it has no description: {}", reason(&error)));
        }
        if let Err(error) = restart_after_failures(&service) {
            lines.push(format!(
                "it is not started again after a failure: {}",
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
        let log = Spec::this_program().map(|program| scm::log_path(&program, &self.name));
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
        match Spec::this_program() {
            Ok(program) => scm::log_path(&program, &self.name).display().to_string(),
            Err(_) => format!("{}.log beside the program", self.name),
        }
    }
}

/// What the system said.
fn reason(error: &windows_service::Error) -> String {
    match error {
        windows_service::Error::Winapi(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Has the manager start the service again whenever it ends by itself.
fn restart_after_failures(service: &Service) -> windows_service::Result<()> {
    let restart = ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: RESTART,
    };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGET),
        reboot_msg: None,
        command: None,
        // The last one counts for every failure after it as well.
        actions: Some(vec![restart.clone(), restart.clone(), restart]),
    })?;
    // An end with an error is a failure, and not only a crash.
    service.set_failure_actions_on_non_crash_failures(true)
}

/// Whether it is one of the accounts that need no password.
fn has_no_password(account: &str) -> bool {
    let lower = account.to_ascii_lowercase();
    let name = lower.rsplit('\\').next().unwrap_or(&lower).replace(' ', "");
    // Accounts that the system manages end in a dollar or belong to the service itself.
    lower.starts_with(r"nt service\") || SYSTEMS_OWN.contains(&&*name)
}
