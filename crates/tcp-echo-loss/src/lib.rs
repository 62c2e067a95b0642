//! A sliding loss window: one bit a slot, constant time at any size.
