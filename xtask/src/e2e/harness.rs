//! What the scenarios are built of.

pub(super) mod context;
pub(super) mod echo;
pub(super) mod exposition;
pub(super) mod http;
pub(super) mod limits;
pub(super) mod machine;
pub(super) mod netns;
pub(super) mod path;
pub(super) mod ports;
pub(super) mod process;
pub(super) mod relay;
pub(super) mod tools;
pub(super) mod wait;
pub(super) mod watch;
