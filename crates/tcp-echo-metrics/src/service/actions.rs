//! The actions of `-svc`, whatever the manager.

use std::io::Write;

use crate::cli::{Config, ServiceAction};

use super::manager::{Manager, State};
use super::{ServiceError, Spec};

/// It is done, or was so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done;

/// Carries out one action and says in `out` what was done.
pub(super) fn act(
    manager: &dyn Manager,
    config: &Config,
    action: ServiceAction,
    out: &mut dyn Write,
) -> Result<Done, ServiceError> {
    let service = Service {
        manager,
        name: &config.service_options.name,
    };
    match action {
        ServiceAction::Install => service.install(config, out),
        ServiceAction::Uninstall => service.uninstall(out),
        ServiceAction::Start => service.start(out),
        ServiceAction::Stop => service.stop(out),
        ServiceAction::Restart => service.restart(out),
        // Running is not for a manager to do.
        ServiceAction::Status | ServiceAction::Run => service.status(out),
    }
}

struct Service<'a> {
    manager: &'a dyn Manager,
    name: &'a str,
}

impl Service<'_> {
    fn install(&self, config: &Config, out: &mut dyn Write) -> Result<Done, ServiceError> {
        let spec = Spec::new(config, &Spec::this_program()?)?;
        self.manager.may_change()?;
        let before = self.manager.state()?;
        for line in self.manager.install(&spec)? {
            writeln!(out, "{line}")?;
        }
        let name = self.name;
        match before {
            State::Running | State::Failing => {
                self.manager.stop()?;
                self.manager.start()?;
                writeln!(out, "{name} is updated and has been restarted")?;
            }
            State::Stopped => writeln!(out, "{name} is updated; start it with -svc=start")?,
            State::NotInstalled => writeln!(
                out,
                "{name} is installed and starts with the system; start it now with -svc=start"
            )?,
        }
        Ok(Done)
    }

    fn uninstall(&self, out: &mut dyn Write) -> Result<Done, ServiceError> {
        self.manager.may_change()?;
        let before = self.installed()?;
        self.manager.may_remove()?;
        if before != State::Stopped {
            self.manager.stop()?;
            writeln!(out, "{} is stopped", self.name)?;
        }
        for line in self.manager.uninstall()? {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{} is uninstalled", self.name)?;
        Ok(Done)
    }

    fn start(&self, out: &mut dyn Write) -> Result<Done, ServiceError> {
        self.manager.may_change()?;
        if self.installed()? == State::Running {
            writeln!(out, "{} runs already", self.name)?;
            return Ok(Done);
        }
        self.manager.start()?;
        writeln!(
            out,
            "{} is started; its log: {}",
            self.name,
            self.manager.log()
        )?;
        Ok(Done)
    }

    fn stop(&self, out: &mut dyn Write) -> Result<Done, ServiceError> {
        self.manager.may_change()?;
        if self.installed()? == State::Stopped {
            writeln!(out, "{} is stopped already", self.name)?;
            return Ok(Done);
        }
        self.manager.stop()?;
        writeln!(out, "{} is stopped", self.name)?;
        Ok(Done)
    }

    fn restart(&self, out: &mut dyn Write) -> Result<Done, ServiceError> {
        self.manager.may_change()?;
        if self.installed()? != State::Stopped {
            self.manager.stop()?;
        }
        self.manager.start()?;
        writeln!(out, "{} is restarted", self.name)?;
        Ok(Done)
    }

    fn status(&self, out: &mut dyn Write) -> Result<Done, ServiceError> {
        let name = self.name;
        match self.manager.state()? {
            State::Running => {
                writeln!(out, "{name} runs; its log: {}", self.manager.log())?;
                Ok(Done)
            }
            State::Failing => {
                let log = self.manager.log();
                writeln!(
                    out,
                    "{name} fails and is started again and again; its log: {log}"
                )?;
                Err(ServiceError::Status(State::Failing))
            }
            State::Stopped => {
                writeln!(out, "{name} is stopped; its log: {}", self.manager.log())?;
                Err(ServiceError::Status(State::Stopped))
            }
            State::NotInstalled => {
                writeln!(out, "{name} is not installed")?;
                Err(ServiceError::Status(State::NotInstalled))
            }
        }
    }

    /// Its state, if it is installed.
    fn installed(&self) -> Result<State, ServiceError> {
        match self.manager.state()? {
            State::NotInstalled => Err(ServiceError::NotInstalled {
                name: self.name.to_owned(),
            }),
            state => Ok(state),
        }
    }
}
