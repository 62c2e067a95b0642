//! Fuzzes [`tcp_echo_fuzz::durations`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(durations);
