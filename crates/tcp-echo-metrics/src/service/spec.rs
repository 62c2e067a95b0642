//! What a service is installed with.

use std::env;
use std::path::{Path, PathBuf};

use crate::cli::{self, Config};

use super::ServiceError;

/// Ports below this take a privilege on Unix.
const FIRST_FREE_PORT: u16 = 1024;

/// A service's name, command and needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The program, by its absolute path.
    pub program: String,
    /// Its arguments: `--svc=run` and the flags given, each as `--name=value`, files by
    /// their absolute paths.
    pub arguments: Vec<String>,
    /// The files among the values of its arguments.
    pub files: Vec<String>,
    /// The account it runs as; `None` leaves that to the manager.
    pub account: Option<String>,
    /// Whether it is a service of the user who installs it.
    pub user: bool,
    /// Whether it listens on a port that takes a privilege.
    pub low_port: bool,
}

impl Spec {
    /// What `config` asks for, of the program at `program`.
    ///
    /// # Errors
    /// [`ServiceError`], when something in it can't stand in a service's definition.
    pub fn new(config: &Config, program: &Path) -> Result<Self, ServiceError> {
        let program = program
            .to_str()
            .ok_or_else(|| ServiceError::Program(format!("{} is not UTF-8", program.display())))?;
        let mut arguments = vec!["--svc=run".to_owned()];
        let mut files = Vec::new();
        let file_flags = cli::file_flags();
        for given in &config.given {
            match file_of(given, &file_flags) {
                Some((name, file)) => {
                    let file = absolute(file)?;
                    arguments.push(format!("--{name}={file}"));
                    files.push(file);
                }
                None => arguments.push(given.clone()),
            }
        }
        if let Some(argument) = arguments
            .iter()
            .chain([&program.to_owned()])
            .find(|argument| argument.contains(char::is_control))
        {
            return Err(ServiceError::ControlCharacter {
                argument: argument.clone(),
            });
        }
        let mut ports = vec![config.metrics.port()];
        if config.mode.serves() {
            ports.push(config.server.listen.port());
        }
        Ok(Self {
            name: config.service_options.name.clone(),
            program: program.to_owned(),
            arguments,
            files,
            account: config.service_options.account.clone(),
            user: config.service_options.user,
            low_port: ports.iter().any(|port| (1..FIRST_FREE_PORT).contains(port)),
        })
    }

    /// The program that runs now.
    pub(super) fn this_program() -> Result<PathBuf, ServiceError> {
        let program =
            env::current_exe().map_err(|error| ServiceError::Program(error.to_string()))?;
        // The system tells the path that it was started by.
        if !program.is_file() {
            let text = format!("there is no {} any more", program.display());
            return Err(ServiceError::Program(text));
        }
        Ok(program)
    }
}

/// The flag and its value, if that is a file.
fn file_of<'a>(given: &'a str, file_flags: &[String]) -> Option<(&'a str, &'a str)> {
    let (name, value) = given.strip_prefix("--")?.split_once('=')?;
    let is_file = file_flags.iter().any(|flag| flag == name) && !value.is_empty();
    is_file.then_some((name, value))
}

/// The path from the root, since a service starts in a directory of its own.
fn absolute(file: &str) -> Result<String, ServiceError> {
    let failed = |source| ServiceError::Read {
        path: file.into(),
        source,
    };
    let path = std::path::absolute(file).map_err(failed)?;
    path.into_os_string()
        .into_string()
        .map_err(|path| ServiceError::ControlCharacter {
            argument: path.to_string_lossy().into_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(args: &[&str]) -> Result<Spec, ServiceError> {
        let config = cli::parse(args, |_| None).unwrap();
        Spec::new(&config, Path::new("/usr/local/bin/tcp-echo-metrics"))
    }

    #[test]
    fn exactly_the_flags_given_are_recorded() {
        let args = [
            "-svc",
            "install",
            "-svc-name=x",
            "-svc-account",
            "echo",
            "-mode",
            "both",
            "-target=a=:1",
        ];
        let spec = spec(&args).unwrap();
        assert_eq!(
            spec.arguments,
            ["--svc=run", "--mode=both", "--target=a=:1"]
        );
        assert_eq!((&*spec.name, spec.account.as_deref()), ("x", Some("echo")));
        assert!(!spec.user && !spec.low_port);
    }

    #[test]
    fn the_environment_is_recorded_as_flags() {
        let variable = |name: &str| (name == "TCP_ECHO_TARGET").then(|| "a=:1,b=:2".into());
        let config = cli::parse(["-svc=install"], variable).unwrap();
        let spec = Spec::new(&config, Path::new("/p")).unwrap();
        assert_eq!(
            spec.arguments,
            ["--svc=run", "--target=a=:1", "--target=b=:2"]
        );
    }

    #[test]
    fn ports_that_take_a_privilege_are_those_listened_on() {
        for (args, low) in [
            (&["-listen=:7"][..], true),
            (&["-metrics=:80"], true),
            (&["-listen=:1024"], false),
            (&["-listen=:0"], false),
            (&["-mode=client", "-listen=:7"], false),
            (&["-mode=client", "-target=x:7"], false),
        ] {
            assert_eq!(spec(args).unwrap().low_port, low, "{args:?}");
        }
    }

    #[test]
    fn files_are_found_from_the_root() {
        let flags = ["targets".to_owned(), "web.config.file".to_owned()];
        assert_eq!(
            file_of("--web.config.file=a=b.yml", &flags),
            Some(("web.config.file", "a=b.yml"))
        );
        assert_eq!(file_of("--target=a.yml", &flags), None);
        assert_eq!(file_of("--targets=", &flags), None);
        let here = env::current_dir().unwrap();
        let file = here.join("a.yml").to_str().unwrap().to_owned();
        // Windows has a root for each of its drives.
        let root = here.ancestors().last().unwrap();
        let far = |path: &str| root.join(path).to_str().unwrap().to_owned();
        let (list, web) = (far("*.json"), far("web.yml"));
        let args = [
            "-targets=a.yml",
            &format!("-targets={list}"),
            &format!("-web.config.file={web}"),
        ];
        let spec = spec(&args).unwrap();
        assert_eq!(spec.files, [file.as_str(), &list, &web]);
        assert_eq!(spec.arguments[1], format!("--targets={file}"));
        assert_eq!(
            absolute("a b.yml").unwrap(),
            here.join("a b.yml").to_str().unwrap()
        );
    }

    #[test]
    fn what_breaks_lines_is_refused() {
        let error = spec(&["-target", "a\nExecStartPre x=h:4000"]).unwrap_err();
        assert!(error.to_string().contains(r"\n"), "{error}");
    }
}
