//! Socket options, kernel receive timestamps and TCP_INFO for TCP probing.
