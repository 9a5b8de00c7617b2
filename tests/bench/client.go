// client: request, reply, close, again and again, by a program that no preload reaches: static Go.
// Its options and what it prints are those of client.c that tests/bench/bench uses of it.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Plain, or what a client's source can do by itself against TIME_WAIT: FIN, then RST (tcp(7)).
func dialer(linger2 bool) net.Dialer {
	if !linger2 {
		return net.Dialer{}
	}
	return net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_LINGER2, -1)
		})
	}}
}

func exchange(d *net.Dialer, address string) error {
	connection, err := d.Dial("tcp4", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err = connection.Write([]byte("\x00\x00\x00\x04test")); err != nil {
		return err
	}
	_, err = io.ReadFull(connection, make([]byte, 8))
	return err
}

func main() {
	port := flag.Int("port", 7000, "the server's")
	connections := flag.Int("connections", 1e9, "how many, at most")
	seconds := flag.Float64("seconds", 600, "how long, at most")
	linger2 := flag.Bool("linger2", false, "TCP_LINGER2 -1 before each connect")
	flag.Parse()
	d := dialer(*linger2)
	address := fmt.Sprintf("127.0.0.1:%d", *port)
	made, failed := 0, 0
	start := time.Now()
	for failed == 0 && made < *connections && time.Since(start).Seconds() < *seconds {
		if exchange(&d, address) == nil {
			made++
		} else {
			failed++
		}
	}
	took := time.Since(start).Seconds()
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
	fmt.Printf("connections=%d failed=%d errors=0 seconds=%.3f per_second=%.1f cpu=%.3f\n",
		made, failed, took, float64(made)/took, cpu)
}
