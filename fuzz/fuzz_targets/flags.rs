//! Fuzzes [`tcp_echo_fuzz::flags`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(flags);
