// Command registry serves a folder of container images on port 80.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"hybrid/lab/registry/store"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: registry FOLDER")
		os.Exit(2)
	}
	server := &http.Server{Addr: ":80", Handler: store.Handler(os.Args[1]), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
