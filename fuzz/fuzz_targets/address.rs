//! Fuzzes [`tcp_echo_fuzz::address`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(address);
