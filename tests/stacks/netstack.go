// netstack: a peer whose TCP is gVisor's, in this process, behind a TUN device. It follows a
// script as tests/tools/act.c does, with the steps of follow() below, and prints a line per step:
// `netstack tun1 listen:7001 accept readall close`. It answers at every address.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/link/tun"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const mtu = 1500

var (
	host       *stack.Stack
	listener   *gonet.TCPListener
	connection *gonet.TCPConn
	buffer     = make([]byte, 65536)
)

func die(what ...interface{}) {
	fmt.Fprintln(os.Stderr, what...)
	os.Exit(1)
}

// open makes the stack. Promiscuous, it takes every address for its own.
func open(device string) {
	fd, err := tun.Open(device)
	if err != nil {
		die(device, err)
	}
	host = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	link, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: mtu})
	if err != nil {
		die("link", err)
	}
	if err := host.CreateNIC(1, link); err != nil {
		die("nic", err)
	}
	host.SetPromiscuousMode(1, true)
	host.SetSpoofing(1, true)
	host.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
}

// name gives the error as act prints it.
func name(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, io.EOF):
		return "EOF"
	case strings.Contains(text, "connection reset by peer"):
		return "ECONNRESET"
	case strings.Contains(text, "connection was reset"):
		return "ECONNRESET"
	case strings.Contains(text, "closed for send"), strings.Contains(text, "broken pipe"):
		return "EPIPE"
	case strings.Contains(text, "not connected"):
		return "ENOTCONN"
	}
	return strings.ReplaceAll(text, " ", "_")
}

// readSome reads size bytes at a time, with pauses, limit at most, and tells what ended it.
func readSome(step string, size int, pause time.Duration, limit int) {
	total, end := 0, ""
	for total < limit {
		want := size
		if want > limit-total {
			want = limit - total
		}
		n, err := connection.Read(buffer[:want])
		total += n
		if err != nil {
			end = " " + name(err)
			break
		}
		time.Sleep(pause)
	}
	fmt.Printf("%s %d%s\n", step, total, end)
}

func write(n int) {
	done, err := connection.Write(buffer[:n])
	if err != nil {
		fmt.Println("write -1", name(err))
		return
	}
	fmt.Println("write", done)
}

func result(step string, err error) {
	if err != nil {
		fmt.Println(step, "-1", name(err))
		return
	}
	fmt.Println(step, 0)
}

func waitFile(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func listen(port int) {
	at := tcpip.FullAddress{NIC: 1, Port: uint16(port)}
	l, err := gonet.ListenTCP(host, at, ipv4.ProtocolNumber)
	if err != nil {
		die("listen", err)
	}
	listener = l
	fmt.Println("listen", port)
}

func accept() {
	c, err := listener.Accept()
	if err != nil {
		die("accept", err)
	}
	connection = c.(*gonet.TCPConn)
	fmt.Println("accept 0")
}

// serve reads every connection to its end, then closes it; with first, once something has come.
func serve(first bool) {
	for {
		c, err := listener.Accept()
		if err != nil {
			die("accept", err)
		}
		go func(c net.Conn) {
			if first {
				c.Read(make([]byte, 256))
			} else {
				io.Copy(io.Discard, c)
			}
			c.Close()
		}(c)
	}
}

func follow(word string) {
	parts := strings.SplitN(word+"::", ":", 3)
	a, _ := strconv.Atoi(parts[1])
	b, _ := strconv.Atoi(strings.TrimRight(parts[2], ":"))
	switch parts[0] {
	case "say":
		fmt.Println("say", parts[1])
	case "wait-file":
		waitFile(parts[1])
	case "listen":
		listen(a)
	case "accept":
		accept()
	case "readn":
		readSome("readn", len(buffer), 0, a)
	case "readall":
		readSome("readall", len(buffer), 0, 1<<40)
	case "readslow":
		readSome("readslow", a, time.Duration(b)*time.Millisecond, 1<<40)
	case "write":
		write(a)
	case "shutdown":
		result("shutdown", connection.CloseWrite())
	case "close":
		result("close", connection.Close())
	case "sleep":
		time.Sleep(time.Duration(a) * time.Millisecond)
	case "serve":
		serve(false)
	case "serve-first":
		serve(true)
	default:
		die("netstack: no step", word)
	}
}

func main() {
	if len(os.Args) < 3 {
		die("usage: netstack DEVICE STEP...")
	}
	open(os.Args[1])
	for _, word := range os.Args[2:] {
		follow(word)
	}
	time.Sleep(time.Minute) // what is still under way ends; whoever started us ends us
}
