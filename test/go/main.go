// franz-go as a client of the tests: consumers that read on, and a producer that writes on, until stdin ends.
//
//	franz read BOOTSTRAP TOPIC NAME:PROTOCOL:ISOLATION...
//	franz write BOOTSTRAP TOPIC idempotent|plain
//
// They print what the Java programs of the tests print, KeepReading and KeepProducing.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
)

var saying sync.Mutex

// say prints one line whole, whoever else says something.
func say(format string, words ...any) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Println(strings.ReplaceAll(fmt.Sprintf(format, words...), "\n", " "))
}

func main() {
	untilEnd, end := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		end()
	}()
	args := os.Args[1:]
	switch {
	case len(args) >= 4 && args[0] == "read":
		readAll(untilEnd, args[1], args[2], args[3:])
	case len(args) == 4 && args[0] == "write":
		write(untilEnd, args[1], args[2], args[3])
	case len(args) == 1 && args[0] == "version":
		say("%s", version())
	default:
		fmt.Fprintln(os.Stderr, "usage: franz read BOOTSTRAP TOPIC NAME:PROTOCOL:ISOLATION... | franz write BOOTSTRAP TOPIC idempotent|plain | franz version")
		os.Exit(2)
	}
}

// version is that of franz-go, as it is linked into this program.
func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return module.Path + " " + module.Version
		}
	}
	return "unknown"
}
