//! Fuzzes [`tcp_echo_fuzz::service`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(service);
