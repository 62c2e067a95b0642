//! What the scenarios are built of.

pub(crate) mod context;
pub(crate) mod echo;
pub(crate) mod exposition;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod netns;
pub(crate) mod path;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod tools;
pub(crate) mod watch;
pub(crate) mod wine;

pub(crate) use crate::wait;
