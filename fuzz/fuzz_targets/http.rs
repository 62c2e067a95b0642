//! Fuzzes [`tcp_echo_fuzz::http`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(http);
