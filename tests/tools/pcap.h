/*
 * The pcap file format, as far as `capture` writes and `packets` reads it: in the
 * machine's byte order, with microseconds, and each packet from its IP header on
 * (LINKTYPE_RAW). See https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html.
 */
#ifndef PCAP_H
#define PCAP_H

#include <stdint.h>

enum { PCAP_RAW_IP = 101, PCAP_LARGEST = 262144 };

#define PCAP_MAGIC 0xa1b2c3d4U

struct pcap_file {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2];
    uint32_t largest; /* bytes kept of a packet */
    uint32_t link_type;
};

struct pcap_packet {
    uint32_t seconds, microseconds;
    uint32_t captured, length; /* bytes */
};

#endif
