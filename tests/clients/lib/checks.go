// What the clients in Go share: they end at the first thing that is not as it should be. Is put beside each of them.
package main

import (
	"fmt"
	"time"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func until(holds func() bool, what string) {
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		check(time.Now().Before(end), "still not: ", what)
	}
}
