//! Fuzzes [`tcp_echo_fuzz::session`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(session);
