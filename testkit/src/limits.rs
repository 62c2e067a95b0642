//! Limits of this process, which its children inherit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A thousand connections need more files than a shell's default of 1,024.
pub(crate) fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    // Where that is refused, the scenario that needs them says so.
    let _ = setrlimit(Resource::Nofile, raised);
}
