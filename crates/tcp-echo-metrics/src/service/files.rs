//! Where definitions of services are, and whose they are.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use super::{Definition, ServiceError};

/// What a definition of this program's says somewhere, or one that the program of Go
/// wrote before it. Others may have chosen the name for their own.
const MARKS: [&str; 2] = ["--svc=run", "tcp-echo"];

/// The file that defines the service.
pub(super) fn definition(
    kind: Definition,
    user: bool,
    name: &str,
) -> Result<PathBuf, ServiceError> {
    let no_home = || ServiceError::Program("there is no home directory for -svc-user".to_owned());
    Ok(match (kind, user) {
        (Definition::Systemd, false) => {
            service_manager::systemd_global_dir_path().join(format!("{name}.service"))
        }
        (Definition::Systemd, true) => service_manager::systemd_user_dir_path()
            .map_err(|_| no_home())?
            .join(format!("{name}.service")),
        (Definition::Launchd, false) => {
            Path::new("/Library/LaunchDaemons").join(format!("{name}.plist"))
        }
        (Definition::Launchd, true) => {
            let home = env::home_dir().ok_or_else(no_home)?;
            home.join("Library/LaunchAgents")
                .join(format!("{name}.plist"))
        }
        (Definition::OpenRc, _) => Path::new("/etc/init.d").join(name),
        (Definition::Rcd, _) => Path::new("/usr/local/etc/rc.d").join(name),
    })
}

/// Whether there is a definition, and fails if it is somebody else's.
pub(super) fn is_ours(path: &Path, name: &str) -> Result<bool, ServiceError> {
    match fs::read_to_string(path) {
        Ok(text) if MARKS.iter().any(|mark| text.contains(mark)) => Ok(true),
        Ok(_) => Err(ServiceError::Foreign {
            name: name.to_owned(),
            what: path.display().to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ServiceError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_of_somebody_elses_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.service");
        assert!(!is_ours(&path, "x").unwrap());
        fs::write(&path, "ExecStart=/usr/bin/tcp-echo-metrics -mode both\n").unwrap();
        assert!(is_ours(&path, "x").unwrap());
        fs::write(&path, "ExecStart=/usr/bin/sshd\n").unwrap();
        let error = is_ours(&path, "x").unwrap_err().to_string();
        assert!(
            error.contains("x.service") && error.contains("-svc-name"),
            "{error}"
        );
    }
}
