#!/usr/bin/env bats
# What each policy leaves at the peer when a packet of the end is lost, or the FINs cross, and how
# that ends: each cell is one that peer-view.expected lists. peerview_lost.bash has the words.

load ../lib/helper
load ../lib/outcome
load ../lib/badnet
load ../lib/peerview
load ../lib/peerview_lost
load ../lib/peerview_expected

prepare() {
    need_tun
}

@test "the RST is lost: the peer is blocked in read(), and writes later" {
    as_expected lost_rst
}

@test "the RST is lost: the peer has keep-alive" {
    as_expected lost_rst_keepalive
}

@test "the RST is lost: the peer has half-closed and still reads" {
    as_expected lost_rst_half
}

@test "the RST is lost: the peer has closed" {
    as_expected lost_rst_closed
}

@test "our FIN is lost" {
    as_expected lost_fin
}

@test "the ACK of our FIN is lost" {
    as_expected lost_fin_ack
}

@test "the FINs cross" {
    as_expected crossing
}
