//! The managers of Unix, through the crate `service-manager`.

use std::process::{Command, Stdio};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use service_manager::{
    RestartPolicy, ServiceInstallCtx, ServiceLabel, ServiceLevel, ServiceManager as _,
    ServiceManagerKind, ServiceStartCtx, ServiceStatus, ServiceStatusCtx, ServiceStopCtx,
    ServiceUninstallCtx, TypedServiceManager,
};

use crate::definition::Definition;
use crate::error::ServiceError;
use crate::files;
use crate::manager::Manager;
use crate::options::ServiceOptions;
use crate::spec::Spec;
use crate::state::State;

/// The manager of this system, at the level of the system or of a user.
pub(crate) struct Native {
    kind: Definition,
    name: String,
    user: bool,
    inner: TypedServiceManager,
}

impl Native {
    pub(crate) fn new(options: &ServiceOptions) -> Result<Self, ServiceError> {
        let kind = detect()?;
        let mut inner = TypedServiceManager::target(match kind {
            Definition::Systemd => ServiceManagerKind::Systemd,
            Definition::OpenRc => ServiceManagerKind::OpenRc,
            Definition::Rcd => ServiceManagerKind::Rcd,
            Definition::Launchd => ServiceManagerKind::Launchd,
        });
        if options.user {
            let manager = match kind {
                Definition::OpenRc => "OpenRC",
                _ => "rc.d",
            };
            inner
                .set_level(ServiceLevel::User)
                .map_err(|_| ServiceError::NoUserServices { manager })?;
            let has_session = || env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| !dir.is_empty());
            if kind == Definition::Systemd && !has_session() {
                return Err(ServiceError::NoSession);
            }
        }
        Ok(Self {
            kind,
            name: options.name.clone(),
            user: options.user,
            inner,
        })
    }

    fn path(&self) -> Result<PathBuf, ServiceError> {
        files::definition(self.kind, self.user, &self.name)
    }

    /// The plain name: its dots do not separate an organization.
    fn label(&self) -> ServiceLabel {
        ServiceLabel {
            qualifier: None,
            organization: None,
            application: self.name.clone(),
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> ServiceError {
        move |error| ServiceError::Failed {
            action,
            name: self.name.clone(),
            reason: reason(&error.to_string()),
            log: (action == "start").then(|| self.log()),
        }
    }

    /// The log file of the service, if it has its own.
    fn log_file(&self) -> Option<PathBuf> {
        let folder = match (self.kind, self.user) {
            (Definition::Systemd | Definition::Rcd, _) => return None,
            (Definition::OpenRc, _) => "/var/log",
            (Definition::Launchd, false) => "/Library/Logs",
            (Definition::Launchd, true) => "/tmp",
        };
        Some(Path::new(folder).join(format!("{}.log", self.name)))
    }

    fn foreign(&self, path: &Path) -> ServiceError {
        ServiceError::Foreign {
            name: self.name.clone(),
            what: format!("there is no {}", path.display()),
        }
    }

    fn systemctl(&self, arguments: &[&str]) -> io::Result<String> {
        let level = self.user.then_some("--user");
        let output = Command::new("systemctl")
            .args(level)
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }

    /// The state as systemd sees it. The exit statuses of systemctl don't distinguish them.
    fn unit_state(&self) -> Result<State, ServiceError> {
        let unit = format!("{}.service", self.name);
        let asked = ["show", "--property=LoadState,ActiveState,SubState", &unit];
        let answer = self.systemctl(&asked).map_err(self.failed("look up"))?;
        let value = |key: &str| {
            let mut lines = answer.lines().filter_map(|line| line.split_once('='));
            lines
                .find(|(found, _)| *found == key)
                .map_or("", |(_, value)| value)
        };
        Ok(
            match (value("LoadState"), value("ActiveState"), value("SubState")) {
                ("not-found", "inactive", _) => State::NotInstalled,
                (_, "inactive" | "failed", _) => State::Stopped,
                (_, _, "auto-restart") => State::Failing,
                _ => State::Running,
            },
        )
    }
}

impl Manager for Native {
    fn state(&self) -> Result<State, ServiceError> {
        if self.kind == Definition::Systemd {
            return self.unit_state();
        }
        // Some managers fail for a service that they don't know.
        if !files::is_ours(&self.path()?, &self.name)? {
            return Ok(State::NotInstalled);
        }
        let context = ServiceStatusCtx {
            label: self.label(),
        };
        let status = self.inner.status(context).map_err(self.failed("look up"))?;
        Ok(match status {
            ServiceStatus::NotInstalled | ServiceStatus::Stopped(_) => State::Stopped,
            ServiceStatus::Running => State::Running,
        })
    }

    fn install(&self, spec: &Spec) -> Result<Vec<String>, ServiceError> {
        let path = self.path()?;
        let replaces = files::is_ours(&path, &self.name)?;
        if !replaces && self.state()? != State::NotInstalled {
            return Err(self.foreign(&path));
        }
        let context = ServiceInstallCtx {
            label: self.label(),
            program: spec.program.clone().into(),
            args: spec.arguments.iter().map(Into::into).collect(),
            contents: Some(self.kind.render(spec)?),
            username: spec.account.clone(),
            working_directory: None,
            environment: None,
            autostart: true,
            // The contents have the policy.
            restart_policy: RestartPolicy::Never,
        };
        self.inner
            .install(context)
            .map_err(self.failed("install"))?;
        if self.kind == Definition::Systemd {
            self.systemctl(&["daemon-reload"])
                .map_err(self.failed("load"))?;
        }
        let did = if replaces { "replaced" } else { "wrote" };
        let mut lines = vec![
            format!("{did} {}", path.display()),
            format!("it runs {}, which must not be moved", spec.program),
        ];
        if self.user && self.kind == Definition::Systemd {
            lines.push("to run it while you are logged out: loginctl enable-linger".into());
        }
        Ok(lines)
    }

    fn may_remove(&self) -> Result<(), ServiceError> {
        let path = self.path()?;
        if files::is_ours(&path, &self.name)? {
            return Ok(());
        }
        Err(self.foreign(&path))
    }

    fn uninstall(&self) -> Result<Vec<String>, ServiceError> {
        let path = self.path()?;
        let context = ServiceUninstallCtx {
            label: self.label(),
        };
        self.inner
            .uninstall(context)
            .map_err(self.failed("uninstall"))?;
        if self.kind == Definition::Systemd {
            self.systemctl(&["daemon-reload"])
                .map_err(self.failed("unload"))?;
            // Clears a failed state. It fails where there is none.
            let _ = self.systemctl(&["reset-failed", &format!("{}.service", self.name)]);
        }
        let mut lines = vec![format!("removed {}", path.display())];
        if let Some(log) = self.log_file().filter(|log| fs::remove_file(log).is_ok()) {
            lines.push(format!("removed {}", log.display()));
        }
        Ok(lines)
    }

    fn start(&self) -> Result<(), ServiceError> {
        let context = ServiceStartCtx {
            label: self.label(),
        };
        self.inner.start(context).map_err(self.failed("start"))
    }

    fn stop(&self) -> Result<(), ServiceError> {
        let context = ServiceStopCtx {
            label: self.label(),
        };
        self.inner.stop(context).map_err(self.failed("stop"))
    }

    fn may_change(&self) -> Result<(), ServiceError> {
        if self.user || rustix::process::geteuid().is_root() {
            return Ok(());
        }
        Err(ServiceError::Privileges(match self.kind {
            Definition::Systemd | Definition::Launchd => {
                "run it with sudo, or add -svc-user for a service of your own"
            }
            Definition::OpenRc | Definition::Rcd => "run it as root, with sudo or doas",
        }))
    }

    fn log(&self) -> String {
        let name = &self.name;
        match (self.log_file(), self.kind, self.user) {
            (Some(file), ..) => file.display().to_string(),
            (None, Definition::Systemd, false) => format!("journalctl --unit {name}"),
            (None, Definition::Systemd, true) => format!("journalctl --user --unit {name}"),
            (None, ..) => format!("the system log, as {name}"),
        }
    }
}

/// Detects the manager that runs this system.
fn detect() -> Result<Definition, ServiceError> {
    let looked_for = if cfg!(target_os = "macos") {
        return Ok(Definition::Launchd);
    } else if cfg!(any(target_os = "freebsd", target_os = "dragonfly")) {
        return Ok(Definition::Rcd);
    } else if cfg!(target_os = "linux") {
        // As sd_booted(3) does: many containers have a systemctl without a systemd.
        if Path::new("/run/systemd/system").is_dir() {
            return Ok(Definition::Systemd);
        }
        let openrc = TypedServiceManager::target(ServiceManagerKind::OpenRc);
        if openrc.available().unwrap_or(false) {
            return Ok(Definition::OpenRc);
        }
        "neither systemd nor OpenRC runs this system"
    } else {
        "only Linux, macOS, FreeBSD and Windows are supported"
    };
    Err(ServiceError::NoManager { looked_for })
}

/// The message of a command on one line, without the prefixes of the crate and the command.
fn reason(error: &str) -> String {
    let text = error.split_once("exit code ").map_or(error, |(_, rest)| {
        rest.split_once(": ").map_or(rest, |(_, text)| text)
    });
    let lines = text
        .lines()
        .map(|line| line.trim_matches([' ', '*']))
        // The first line of systemctl has the message, the next only says where to read more.
        .take_while(|line| !line.starts_with("See \"systemctl"))
        .filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn messages_of_commands_become_one_line() {
        let systemctl = "Command failed with exit code 1: Job for x.service failed because it is so.\n\
                         See \"systemctl status x.service\" and \"journalctl -xeu x.service\" for details.\n";
        assert_eq!(
            reason(systemctl),
            "Job for x.service failed because it is so."
        );
        let openrc =
            "Command failed with exit code 1:  * no support\n\n * ERROR: x failed to start\n";
        assert_eq!(reason(openrc), "no support; ERROR: x failed to start");
        assert_eq!(reason("permission denied"), "permission denied");
    }
}
