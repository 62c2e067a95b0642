//! What is counted, of targets and of the program, and its values at one moment.

pub(crate) mod buckets;
pub(crate) mod buffer_pool;
pub(crate) mod build_info;
pub(crate) mod counts;
pub(crate) mod discovery;
pub(crate) mod families;
pub(crate) mod flows;
pub(crate) mod labels;
pub(crate) mod layout;
pub(crate) mod links;
pub(crate) mod merge;
pub(crate) mod native;
pub(crate) mod own_host;
pub(crate) mod process;
pub(crate) mod reload_status;
pub(crate) mod rtt_window;
pub(crate) mod scalar;
pub(crate) mod seqlock;
pub(crate) mod series;
pub(crate) mod series_set;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod sockets;
pub(crate) mod sync;
pub(crate) mod targets;
