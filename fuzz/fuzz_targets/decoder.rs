//! Fuzzes [`tcp_echo_fuzz::decoder`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(decoder);
