// client: connects, asks, prints the reply, closes: `client HOST PORT COUNT`.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

func once(address string) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	reply := make([]byte, 100)
	if _, err = connection.Write([]byte("hello?\n")); err != nil {
		return err
	}
	n, err := connection.Read(reply)
	fmt.Print(string(reply[:n]))
	return err
}

func main() {
	count, _ := strconv.Atoi(os.Args[3])
	for i := 0; i < count; i++ {
		if err := once(net.JoinHostPort(os.Args[1], os.Args[2])); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}
